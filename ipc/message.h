/*
 * The table of messages.def as numbers and names, and the one form every error has on the wire.
 */
#ifndef KITTY_IPC_MESSAGE_H
#define KITTY_IPC_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <kitty/error.h>

struct kt_json;

enum kt_sender { KT_FROM_CLIENT = 1, KT_FROM_WORKER = 2, KT_FROM_SUPERVISOR = 4 };

enum kt_message {
#define KT_MESSAGE(name, number, text, senders) KT_MSG_##name = (number),
#include <kitty/messages.def>
#undef KT_MESSAGE
};

const char *kt_message_name(unsigned type); /* "unknown" when there is no such message */
unsigned kt_message_find(const char *name); /* 0 when there is no such name */
bool kt_message_is_known(unsigned type);
bool kt_message_is_request(unsigned type);    /* has an answer */
unsigned kt_message_answer_of(unsigned type); /* 0 when it is no request */
bool kt_message_may_come_from(unsigned type, enum kt_sender sender);

/* Gives {"error": {"code", "message", "detail", "next_step"}}; detail has errno's text already. */
struct kt_json *kt_message_error_encode(const struct kt_error *err);

/* True when body is an error, which is then in *err. A newer peer's code becomes KT_E_INTERNAL. */
bool kt_message_error_decode(const struct kt_json *body, struct kt_error *err);

#endif
