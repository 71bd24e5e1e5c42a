/* tls_file.c - the files of a [tls] section, and the words for what is wrong with them. */

#include "net/tls_inside.h"

#include "base/fault.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/fd.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All authorities that a system trusts take a quarter of a mebibyte. */
#define FILE_BYTES_MAX (4 * 1024 * 1024)
#define CREDENTIAL "credential:"

/* -- words -- */

int tls_complain(struct tls_problem *p, int error, const char *key, size_t index, const char *format, ...)
{
	va_list arguments;

	p->key = key;
	p->index = index;
	va_start(arguments, format);
	vsnprintf(p->text, sizeof(p->text), format, arguments);
	va_end(arguments);
	return error;
}

bool tls_memory_was_short(void)
{
	bool was_short = false;
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		was_short |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return was_short;
}

int tls_complain_openssl(struct tls_problem *p, const char *key, size_t index, const char *words)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (tls_memory_was_short())
		return -ENOMEM;
	return tls_complain(p, -EINVAL, key, index, "%s: %s", words, reason ?: "OpenSSL does not say why");
}

struct tls_quoted tls_quote(const char *text)
{
	struct tls_quoted q = { "" };
	size_t length = strlen(text), position = 0;

	if (length >= sizeof(q.text)) {
		text_append(q.text, sizeof(q.text), &position, "...");
		text += length - (sizeof(q.text) - 4);
	}
	text_escape(text, strlen(text), q.text + position, sizeof(q.text) - position);
	return q;
}

/* -- reading -- */

void tls_file_done(struct tls_file *f)
{
	if (f->bytes)
		OPENSSL_cleanse(f->bytes, f->length);
	f->bytes = memory_free(f->bytes);
}

static char *join(const char *folder, const char *name)
{
	size_t bytes = strlen(folder) + 1 + strlen(name) + 1;
	char *path = memory_new(bytes);

	if (path)
		snprintf(path, bytes, "%s/%s", folder, name);
	return path;
}

int tls_file_path(struct tls_problem *p, const char *key, size_t index, const char *given, char **ret)
{
	const char *name = given, *folder = NULL;
	char *path;

	if (text_starts_with(given, CREDENTIAL)) {
		name += strlen(CREDENTIAL);
		if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return tls_complain(p, -EINVAL, key, index, "'%s' is no name of a credential",
					    tls_quote(name).text);
		folder = getenv("CREDENTIALS_DIRECTORY");
		if (!folder)
			return tls_complain(p, -EINVAL, key, index, "the service manager has passed no credentials: "
					    "add 'LoadCredential=%s:PATH' to [Service] of the unit",
					    tls_quote(name).text);
	}
	path = folder ? join(folder, name) : memory_copy_text(name);
	if (!path)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/* Whoever may reach a private key may be us. Its group is trusted to read it: that is how keys are shared. */
static int check_mode(struct tls_problem *p, const char *key, size_t index, const char *path, mode_t mode)
{
	struct tls_quoted q = tls_quote(path);
	const char *who = mode & S_IRWXO ? "it is open to everybody" :
			  mode & S_IWGRP ? "its group can change it" : NULL;

	if (!who)
		return 0;
	return tls_complain(p, -EINVAL, key, index, "'%s' is a private key, and %s (mode %04o): run chmod 640 '%s'",
			    q.text, who, mode & 07777, q.text);
}

/* A file that grows meanwhile is cut, which shows in what it holds. */
static int read_whole(int fd, size_t size, struct tls_file *ret)
{
	_cleanup_(tls_file_done) struct tls_file f = { memory_new(size + 1), size };
	size_t length = 0;
	ssize_t n;

	if (!f.bytes)
		return -ENOMEM;
	do {
		int r = fault_point("read", EIO);

		n = r < 0 ? r : read(fd, f.bytes + length, size - length);
		if (n < 0)
			return r < 0 ? r : -errno;
		length += (size_t) n;
	} while (n > 0 && length < size);
	f.bytes[length] = '\0';
	ret->bytes = TAKE(f.bytes);
	ret->length = length;
	return 0;
}

/* The descriptor and its state, so that nobody puts another file in its place between the check and the reading. A
 * pipe does not hold us up. */
static int open_file(const char *path, struct stat *ret_state)
{
	int r = fault_point("open", EACCES), fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_state) < 0) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	return fd;
}

int tls_file_read(struct tls_problem *p, const char *key, size_t index, const char *given, bool is_secret,
		  struct tls_file *ret)
{
	_cleanup_(memory_freep) char *path = NULL;
	struct stat st;
	int r = tls_file_path(p, key, index, given, &path);

	if (r < 0)
		return r;
	_cleanup_(fd_closep) int fd = open_file(path, &st);
	if (fd < 0)
		return tls_complain(p, fd, key, index, "'%s' cannot be read: %s", tls_quote(path).text,
				    strerrordesc_np(-fd));
	if (!S_ISREG(st.st_mode))
		return tls_complain(p, -EINVAL, key, index, "'%s' is %s, and a file is wanted", tls_quote(path).text,
				    S_ISDIR(st.st_mode) ? "a directory" : "a device or a pipe");
	if (st.st_size > FILE_BYTES_MAX)
		return tls_complain(p, -EINVAL, key, index, "'%s' is larger than %d MiB: that is no PEM",
				    tls_quote(path).text, FILE_BYTES_MAX >> 20);
	/* Credentials are in a folder that only we can enter. */
	if (is_secret && !text_starts_with(given, CREDENTIAL)) {
		r = check_mode(p, key, index, path, st.st_mode);
		if (r < 0)
			return r;
	}
	r = read_whole(fd, (size_t) st.st_size, ret);
	if (r < 0 && r != -ENOMEM)
		return tls_complain(p, r, key, index, "'%s' cannot be read: %s", tls_quote(path).text,
				    strerrordesc_np(-r));
	return r;
}

/* -- PEM (RFC 7468) -- */

/* Nobody can be asked: notes that somebody should have been. */
static int refuse_passphrase(char *buffer, int size, int for_writing, void *ret_asked)
{
	(void) buffer;
	(void) size;
	(void) for_writing;
	*(bool *) ret_asked = true;
	return -1;
}

/* DER begins with the tag of a sequence. */
static bool is_der(const struct tls_file *f)
{
	return f->length > 1 && f->bytes[0] == 0x30 && (f->bytes[1] & 0x80);
}

static bool is_end_of_pem(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int complain_of_none(struct tls_problem *p, const char *key, size_t index, const char *given,
			    const struct tls_file *f, const char *what, const char *command)
{
	struct tls_quoted q = tls_quote(given);

	if (is_der(f))
		return tls_complain(p, -EINVAL, key, index, "'%s' is in DER, and PEM is wanted: run openssl %s "
				    "-inform DER -in FILE -out FILE.pem", q.text, command);
	return tls_complain(p, -EINVAL, key, index, "'%s' has no %s in PEM: it would begin with -----BEGIN", q.text,
			    what);
}

static void free_certificates(STACK_OF(X509) **owner)
{
	sk_X509_pop_free(*owner, X509_free);
}

static int read_certificates(BIO *bio, STACK_OF(X509) *to)
{
	bool asked = false;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, refuse_passphrase, &asked);

		if (!certificate)
			return is_end_of_pem() ? 0 : -EINVAL;
		if (!sk_X509_push(to, certificate)) {
			X509_free(certificate);
			return -ENOMEM;
		}
	}
}

int tls_file_certificates(struct tls_problem *p, const char *key, size_t index, const char *given,
			  const struct tls_file *f, STACK_OF(X509) **ret)
{
	_cleanup_(free_certificates) STACK_OF(X509) *found = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(f->bytes, (int) f->length);
	int r = found && bio ? read_certificates(bio, found) : -ENOMEM;

	BIO_free(bio);
	if (r == -EINVAL) {
		char words[192];

		snprintf(words, sizeof(words), "certificate number %d in '%s' cannot be read",
			 sk_X509_num(found) + 1, tls_quote(given).text);
		r = tls_complain_openssl(p, key, index, words);
	}
	ERR_clear_error();
	if (r < 0)
		return r;
	if (sk_X509_num(found) == 0)
		return complain_of_none(p, key, index, given, f, "certificate", "x509");
	*ret = TAKE(found);
	return 0;
}

static int complain_of_key(struct tls_problem *p, size_t index, const char *given, const struct tls_file *f,
			   bool is_encrypted)
{
	char words[192];

	if (is_encrypted)
		return tls_complain(p, -EINVAL, "key", index, "'%s' is encrypted, and nobody can be asked for its "
				    "passphrase: run openssl pkey -in FILE -out NEW", tls_quote(given).text);
	if (!strstr(f->bytes, "PRIVATE KEY-----"))
		return complain_of_none(p, "key", index, given, f, "private key", "pkey");
	snprintf(words, sizeof(words), "the private key in '%s' cannot be read", tls_quote(given).text);
	return tls_complain_openssl(p, "key", index, words);
}

int tls_file_key(struct tls_problem *p, size_t index, const char *given, const struct tls_file *f, EVP_PKEY **ret)
{
	BIO *bio = BIO_new_mem_buf(f->bytes, (int) f->length);
	bool asked = false;
	EVP_PKEY *key;
	int r = 0;

	if (!bio)
		return -ENOMEM;
	key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
	if (key)
		*ret = key;
	else
		r = complain_of_key(p, index, given, f, asked);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}
