/* config.c - the life of a configuration. */

#include "config/config.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "config/document.h"
#include "config/value.h"

#include <string.h>

struct config *config_ref(struct config *c)
{
	c->references++;
	return c;
}

struct config *config_unref(struct config *c)
{
	if (!c)
		return NULL;
	ENSURE(c->references > 0, "a configuration that was freed already");
	if (--c->references > 0)
		return NULL;

	OPTION_EACH (o, SECTION_DAEMON)
		value_clear(o, &c->daemon);
	for (size_t i = 0; i < c->service_count; i++) {
		OPTION_EACH (o, SECTION_SERVICE)
			value_clear(o, &c->services[i]);
		memory_free(c->services[i].name);
	}
	for (size_t i = 0; i < c->upstream_count; i++) {
		OPTION_EACH (o, SECTION_UPSTREAM)
			value_clear(o, &c->upstreams[i]);
		memory_free(c->upstreams[i].name);
	}
	for (size_t i = 0; i < c->tls_count; i++) {
		OPTION_EACH (o, SECTION_TLS)
			value_clear(o, &c->tls[i]);
		memory_free(c->tls[i].name);
	}
	memory_free(c->services);
	memory_free(c->upstreams);
	memory_free(c->tls);
	document_free(c->values);
	return memory_free(c);
}

const struct service_config *config_find_service(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return &c->services[i];
	return NULL;
}
