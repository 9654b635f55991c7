/*
 * Every bound of both programs, with its unit and its reason. docs/limits.md repeats them for
 * users.
 */
#ifndef KITTY_LIMITS_H
#define KITTY_LIMITS_H

#define KT_FRAME_MAX (1U << 20)       /* bytes of JSON in one frame */
#define KT_ROW_WRITE_MAX (64U << 10)  /* bytes of one event row that kitty writes */
#define KT_ROW_READ_MAX (16U << 20)   /* bytes of one event row that kitty reads */
#define KT_YAML_MAX (64U << 10)       /* bytes of one YAML text: libyaml is quadratic */
#define KT_YAML_DEPTH_MAX 32          /* nesting of YAML */
#define KT_JSON_DEPTH_MAX 200         /* nesting of JSON */
#define KT_SLUG_MAX 80                /* bytes of a mission's name */
#define KT_BATCH_MAX 64               /* requests in one group commit */
#define KT_LOCK_TIMEOUT_MS 30000      /* waiting for the mission's lock */
#define KT_HOOK_TIMEOUT_MS 20000      /* one hook of a bookkeeping commit */
#define KT_GIT_TIMEOUT_MS 120000      /* one git child */
#define KT_AGENT_EXIT_PERMANENT 125   /* exit status of an agent that no retry will help */
#define KT_AGENT_GRACE_MS 5000        /* TERM to KILL */
#define KT_HELLO_TIMEOUT_MS 5000      /* connection to HELLO */
#define KT_RUN_TIMEOUT_MS 30000       /* RUN to its answer, an agent's time limit to its end */
#define KT_QUEUE_BYTES_MAX (4U << 20) /* bytes queued for one connection */
#define KT_QUEUE_AGE_MS 30000         /* queued bytes that the peer does not read: closed */

#endif
