/*
 * Stand-ins for the members of libgit2.a that reach for the network: TLS, ssh and http. kitty never
 * fetches or pushes through libgit2, yet git_libgit2_init() starts them, and mbedTLS then parses
 * the system's whole CA bundle: some 10 ms in every process (README.md). An archive member is only
 * linked while one of its symbols is missing; everything that libgit2 asks of those members is
 * defined here, so they stay out.
 *
 * Linked into kitty only together with the static libgit2. Must never be reached with work to do:
 * every function that would move data fails.
 */
#include <stdbool.h>
#include <stddef.h>

/* The names are libgit2's, fixed by its archive; no header of theirs declares them. */
extern bool git_http__expect_continue;
struct http_parser_url;
int http_parser_parse_url(
	const char *text, size_t len, int is_connect, struct http_parser_url *out);
int git_mbedtls_stream_global_init(void);
int git_mbedtls__set_cert_location(const char *file, const char *path);
int git_mbedtls_stream_new(void **out, const char *host, const char *port);
int git_mbedtls_stream_wrap(void **out, void *in, const char *host);
int git_openssl_stream_global_init(void);
int git_openssl_stream_new(void **out, const char *host, const char *port);
int git_openssl_stream_wrap(void **out, void *in, const char *host);
int git_openssl__set_cert_location(const char *file, const char *path);
int git_transport_ssh_global_init(void);
int git_smart_subtransport_ssh(void **out, void *owner, void *param);
int git_smart_subtransport_http(void **out, void *owner, void *param);
int git_hash_sha256_global_init(void);
int git_hash_sha256_ctx_init(void *context);
void git_hash_sha256_ctx_cleanup(void *context);
int git_hash_sha256_init(void *context);
int git_hash_sha256_update(void *context, const void *data, size_t len);
int git_hash_sha256_final(unsigned char *out, void *context);

bool git_http__expect_continue = false;

int git_mbedtls_stream_global_init(void)
{
	return 0;
}

int git_openssl_stream_global_init(void)
{
	return 0;
}

int git_transport_ssh_global_init(void)
{
	return 0;
}

int git_hash_sha256_global_init(void)
{
	return 0;
}

int git_mbedtls__set_cert_location(const char *file, const char *path)
{
	(void)file;
	(void)path;
	return -1;
}

int git_openssl__set_cert_location(const char *file, const char *path)
{
	return git_mbedtls__set_cert_location(file, path);
}

int git_mbedtls_stream_new(void **out, const char *host, const char *port)
{
	(void)host;
	(void)port;
	*out = NULL;
	return -1;
}

int git_openssl_stream_new(void **out, const char *host, const char *port)
{
	return git_mbedtls_stream_new(out, host, port);
}

int git_mbedtls_stream_wrap(void **out, void *in, const char *host)
{
	(void)in;
	(void)host;
	*out = NULL;
	return -1;
}

int git_openssl_stream_wrap(void **out, void *in, const char *host)
{
	return git_mbedtls_stream_wrap(out, in, host);
}

int git_smart_subtransport_ssh(void **out, void *owner, void *param)
{
	(void)owner;
	(void)param;
	*out = NULL;
	return -1;
}

int git_smart_subtransport_http(void **out, void *owner, void *param)
{
	return git_smart_subtransport_ssh(out, owner, param);
}

/* SHA-256 repositories are refused: no object id of theirs is ever computed. */
int git_hash_sha256_ctx_init(void *context)
{
	(void)context;
	return -1;
}

void git_hash_sha256_ctx_cleanup(void *context)
{
	(void)context;
}

int git_hash_sha256_init(void *context)
{
	return git_hash_sha256_ctx_init(context);
}

int git_hash_sha256_update(void *context, const void *data, size_t len)
{
	(void)data;
	(void)len;
	return git_hash_sha256_ctx_init(context);
}

int git_hash_sha256_final(unsigned char *out, void *context)
{
	(void)out;
	return git_hash_sha256_ctx_init(context);
}

int http_parser_parse_url(const char *text, size_t len, int is_connect, struct http_parser_url *out)
{
	(void)text;
	(void)len;
	(void)is_connect;
	(void)out;
	return 1;
}
