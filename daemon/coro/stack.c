#include "coro/stack.h"

#include "base/ensure.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/memory.h"
#include "coro/sanitizer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* linux/mman.h of 6.13 */
#endif

#define SLOT_BYTES (STACK_GUARD_BYTES + STACK_BYTES)
#define SLAB_BYTES ((size_t) STACKS_PER_SLAB * SLOT_BYTES)

/* A stack that is put back keeps its topmost pages, because the next task will touch them again. */
#define KEEP_BYTES (8 * 1024)
/* A page that was never written reads as zeros and costs nothing, so this stretch below what is kept tells
 * whether the stack was used deeper than that, without a system call. A frame with a hole there can hide. */
#define WATERMARK_BYTES 512

#define PAINT UINT64_C(0x7061696e74656421)

#define MAX_MAP_COUNT_DEFAULT 65530	/* DEFAULT_MAX_MAP_COUNT of the kernel */
#define MAPPINGS_FOR_OTHERS 1024	/* the program, its libraries and threads, malloc's large blocks */

enum guard_kind { GUARD_UNKNOWN, GUARD_MARKERS, GUARD_MPROTECT };

/* Its stacks are taken into use one after the other, the guard of each just before. */
struct slab {
	struct slab *next;
	struct list node;		/* in pool.warm or pool.cold while it has free stacks */
	char *base;
	struct stack *free;
	uint8_t used;			/* the others were never handed out */
	uint8_t awake, asleep;		/* of those in use */
	bool dropped;			/* memory and page table were given back, and nothing touched since */
	struct stack stacks[STACKS_PER_SLAB];
};

_Static_assert(STACKS_PER_SLAB <= UINT8_MAX, "a slot has eight bits");

/* A pool is one per process because it speaks of the address space, of which there is one. It belongs to
 * the loop's thread; only the list of slabs is also read by the fatal-signal handler, on any thread. */
static struct {
	struct slab *slabs;		/* newest first; only the first can have stacks that were never used */
	struct list warm, cold;		/* slabs with free stacks, the hottest first; cold are the dropped ones */
	struct slab *lingering;		/* could be dropped, but the next task would touch it at once */
	size_t in_use, mapped;
	size_t limit;			/* 0: not read yet */
	enum guard_kind guard_kind;
	bool painting;
} pool = { .warm = LIST_INIT(pool.warm), .cold = LIST_INIT(pool.cold) };

/* Emulators take any advice and follow none, so the kernel is made to write its answer behind the marker. */
static bool markers_work(void)
{
	void *page = mmap(NULL, STACK_GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool work;

	if (page == MAP_FAILED)
		return false;
	work = madvise(page, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) == 0 && mincore(page, 1, page) < 0 &&
	       errno == EFAULT;
	munmap(page, STACK_GUARD_BYTES);
	return work;
}

static enum guard_kind guard_kind(void)
{
	if (pool.guard_kind == GUARD_UNKNOWN)
		pool.guard_kind = markers_work() ? GUARD_MARKERS : GUARD_MPROTECT;
	return pool.guard_kind;
}

static size_t read_max_map_count(void)
{
	char text[32];
	unsigned long count;
	ssize_t n;
	int fd = fault_point("open", EMFILE) < 0 ? -1 : open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return MAX_MAP_COUNT_DEFAULT;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return MAX_MAP_COUNT_DEFAULT;
	text[n] = '\0';
	count = strtoul(text, NULL, 10);
	return count ? count : MAX_MAP_COUNT_DEFAULT;
}

size_t stack_limit(void)
{
	size_t count;

	if (guard_kind() == GUARD_MARKERS)
		return SIZE_MAX;
	if (pool.limit == 0) {
		count = read_max_map_count();
		pool.limit = count > MAPPINGS_FOR_OTHERS ? (count - MAPPINGS_FOR_OTHERS) / 2 : 1;
	}
	return pool.limit;
}

const char *stack_guard_kind(void)
{
	return guard_kind() == GUARD_MARKERS ? "guard markers" : "mprotect";
}

static int guard_install(char *guard)
{
	int r;

	if (guard_kind() == GUARD_MARKERS) {
		r = fault_point("madvise_guard", ENOMEM);
		if (r == 0 && madvise(guard, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) < 0)
			r = -errno;
		/* Memory that is locked by mlockall(2) takes no markers. */
		if (r != -EINVAL)
			return r;
		pool.guard_kind = GUARD_MPROTECT;
	}
	r = fault_point("mprotect", ENOMEM);
	if (r == 0 && mprotect(guard, STACK_GUARD_BYTES, PROT_NONE) < 0)
		r = -errno;
	return r;
}

/* The guard stands, or could be put up now. */
static bool stand_guard(struct stack *s)
{
	if (!s->guarded)
		s->guarded = guard_install(s->bottom - STACK_GUARD_BYTES) == 0;
	return s->guarded;
}

/* Maps memory for stacks near `hint`, or exactly there with MAP_FIXED. NULL without memory. */
static char *map(char *hint, size_t bytes, int flags)
{
	char *base = mmap(hint, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | flags, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	/* A huge page would back 16 stacks whole. Kernels without them refuse, and need no advice. */
	if (fault_point("madvise_nohugepage", EINVAL) == 0)
		(void) madvise(base, bytes, MADV_NOHUGEPAGE);
	return base;
}

static bool is_aligned(const char *base)
{
	return SLAB_BYTES != STACK_PAGE_TABLE_BYTES || (uintptr_t) base % STACK_PAGE_TABLE_BYTES == 0;
}

/* Cuts an aligned slab out of a mapping of twice the size. */
static char *map_aligned(void)
{
	char *wide = fault_point("mmap_wide", ENOMEM) < 0 ? NULL : map(NULL, 2 * SLAB_BYTES, 0);
	size_t before_bytes;

	if (!wide)
		return NULL;
	before_bytes = -(uintptr_t) wide % SLAB_BYTES;
	if (before_bytes)
		munmap(wide, before_bytes);
	munmap(wide + before_bytes + SLAB_BYTES, SLAB_BYTES - before_bytes);
	return wide + before_bytes;
}

static char *map_slab(void)
{
	/* Just below the newest one it would be aligned, and the kernel makes the two one mapping. */
	char *hint = pool.slabs ? pool.slabs->base - SLAB_BYTES : NULL;
	char *base = fault_point("mmap", ENOMEM) < 0 ? NULL : map(hint, SLAB_BYTES, 0);
	char *aligned;

	if (!base || is_aligned(base))
		return base;
	/* Elsewhere it does as well, only that its page tables are shared with its neighbours. */
	aligned = map_aligned();
	if (aligned)
		munmap(base, SLAB_BYTES);
	return aligned ? aligned : base;
}

static struct slab *slab_new(void)
{
	struct slab *s = memory_new_object(struct slab);

	if (!s)
		return NULL;
	s->base = map_slab();
	if (!s->base) {
		memory_free(s);
		return NULL;
	}
	list_init(&s->node);
	s->next = pool.slabs;
	/* The signal handler may come at any instruction, and finds the slab whole or not at all. */
	__atomic_store_n(&pool.slabs, s, __ATOMIC_RELEASE);
	pool.mapped += STACKS_PER_SLAB;
	return s;
}

static struct slab *slab_of(struct stack *s)
{
	return container_of(s - s->slot, struct slab, stacks);
}

/* Brings the slab to where its free stacks, if there are any, will be found. */
static void slab_list(struct slab *slab, bool hottest)
{
	list_remove(&slab->node);
	if (!slab->free)
		return;
	if (slab->dropped)
		list_append(&pool.cold, &slab->node);
	else if (hottest)
		list_prepend(&pool.warm, &slab->node);
	else
		list_append(&pool.warm, &slab->node);
}

/* One of its stacks is about to be touched. */
static void slab_use(struct slab *slab)
{
	slab->awake++;
	if (!slab->dropped && slab->free)
		return;
	slab->dropped = false;
	slab_list(slab, false);
}

/* With a fresh mapping in the place of the slab, all of its memory and page table is free at once. The kernel refuses
 * for want of memory or mappings before it takes the old one away. Guards by mprotect(2) would be lost mappings that
 * have to be made again, so they stay. */
static bool slab_drop(struct slab *slab)
{
	if (SANITIZER_KEEPS_STACKS || guard_kind() != GUARD_MARKERS || fault_point("mmap_again", ENOMEM) < 0 ||
	    !map(slab->base, SLAB_BYTES, MAP_FIXED))
		return false;
	for (size_t i = 0; i < slab->used; i++)
		slab->stacks[i].guarded = false;
	slab->dropped = true;
	if (pool.lingering == slab)
		pool.lingering = NULL;
	slab_list(slab, false);
	return true;
}

static bool slab_can_drop(const struct slab *slab)
{
	return slab->awake == 0 && slab->asleep > 0 && !slab->dropped;
}

/* A stack was put back, which the next task takes and touches. To drop its slab now would make each short connection
 * next to idle ones pay for it, so it goes when such a stack was put back elsewhere. */
static void slab_linger(struct slab *slab)
{
	struct slab *old = pool.lingering;

	if (!slab_can_drop(slab))
		return;
	pool.lingering = slab;
	if (old && old != slab && slab_can_drop(old))
		(void) slab_drop(old);
}

/* A stack that was never used. */
static struct stack *stack_new(void)
{
	struct slab *slab = pool.slabs;
	struct stack *s;

	/* Made only when all that exist are in use, hence that is how many guards there are. */
	if (pool.in_use >= stack_limit())
		return NULL;
	if (!slab || slab->used == STACKS_PER_SLAB) {
		slab = slab_new();
		if (!slab)
			return NULL;
	}
	s = &slab->stacks[slab->used];
	s->slot = slab->used;
	s->bottom = slab->base + slab->used * SLOT_BYTES + STACK_GUARD_BYTES;
	if (!stand_guard(s))
		return NULL;
	__atomic_store_n(&slab->used, slab->used + 1, __ATOMIC_RELEASE);
	return s;
}

/* One that was put back, of the slab that costs least to use. */
static struct stack *stack_used_before(void)
{
	struct list *from = list_is_empty(&pool.warm) ? &pool.cold : &pool.warm;
	struct slab *slab = list_entry(from->next, struct slab, node);
	struct stack *s = slab->free;

	if (!stand_guard(s))
		return NULL;
	slab->free = s->next_free;
	s->next_free = NULL;
	return s;
}

static void paint(struct stack *s)
{
	uint64_t *words = (uint64_t *) (void *) s->bottom;

	for (size_t i = 0; i < STACK_BYTES / sizeof(*words); i++)
		words[i] = PAINT;
	s->painted = true;
}

struct stack *stack_get(void)
{
	bool any = !list_is_empty(&pool.warm) || !list_is_empty(&pool.cold);
	struct stack *s = any ? stack_used_before() : stack_new();

	if (!s)
		return NULL;
	slab_use(slab_of(s));
	pool.in_use++;
	if (pool.painting)
		paint(s);
	sanitizer_stack_begin(s);
	return s;
}

static bool was_used_deeply(const struct stack *s)
{
	const uint64_t *words;
	uint64_t any = 0;

	if (s->painted)
		return true;
	words = (const uint64_t *) (const void *) (s->bottom + STACK_BYTES - KEEP_BYTES - WATERMARK_BYTES);
	for (size_t i = 0; i < WATERMARK_BYTES / sizeof(*words); i++)
		any |= words[i];
	return any != 0;
}

void stack_put(struct stack *s)
{
	struct slab *slab = slab_of(s);

	ENSURE(pool.in_use > 0, "a stack is put back that was not handed out");
	sanitizer_stack_end(s);
	if (was_used_deeply(s) && fault_point("madvise_dontneed", EINVAL) == 0)
		(void) madvise(s->bottom, STACK_BYTES - KEEP_BYTES, MADV_DONTNEED);
	s->painted = false;
	s->next_free = slab->free;
	slab->free = s;
	slab->awake--;
	slab_list(slab, true);
	slab_linger(slab);
	pool.in_use--;
}

bool stack_sleep(struct stack *s)
{
	struct slab *slab = slab_of(s);

	if (s->painted)
		return false;
	slab->awake--;
	slab->asleep++;
	if (SANITIZER_KEEPS_STACKS || (slab_can_drop(slab) && slab_drop(slab)))
		return true;
	if (fault_point("madvise_sleep", EINVAL) == 0 && madvise(s->bottom, STACK_BYTES, MADV_DONTNEED) == 0)
		return true;
	slab->awake++;
	slab->asleep--;
	return false;
}

void stack_wake(struct stack *s)
{
	struct slab *slab = slab_of(s);

	slab->asleep--;
	slab_use(slab);
	(void) stand_guard(s);
}

void stack_pool_done(void)
{
	struct slab *slab;

	ENSURE(pool.in_use == 0, "%zu stacks are still in use", pool.in_use);
	list_init(&pool.warm);
	list_init(&pool.cold);
	pool.lingering = NULL;
	while ((slab = pool.slabs)) {
		__atomic_store_n(&pool.slabs, slab->next, __ATOMIC_RELEASE);
		munmap(slab->base, SLAB_BYTES);
		memory_free(slab);
	}
	pool.mapped = 0;
}

/* The stack in whose slot the address lies, be it in the guard or above. */
static const struct stack *find(const void *address, bool in_guard)
{
	uintptr_t wanted = (uintptr_t) address;

	for (const struct slab *s = __atomic_load_n(&pool.slabs, __ATOMIC_ACQUIRE); s; s = s->next) {
		size_t offset = wanted - (uintptr_t) s->base;

		if (wanted < (uintptr_t) s->base || offset >= SLAB_BYTES)
			continue;
		if (offset / SLOT_BYTES >= __atomic_load_n(&s->used, __ATOMIC_ACQUIRE))
			return NULL;
		return (offset % SLOT_BYTES < STACK_GUARD_BYTES) == in_guard ? &s->stacks[offset / SLOT_BYTES] : NULL;
	}
	return NULL;
}

const struct stack *stack_of_guard(const void *address)
{
	return find(address, true);
}

const struct stack *stack_of_address(const void *address)
{
	return find(address, false);
}

size_t stack_in_use(void)
{
	return pool.in_use;
}

size_t stack_mapped(void)
{
	return pool.mapped;
}

void stack_set_painting(bool on)
{
	pool.painting = on;
}

SANITIZER_BLIND size_t stack_painted_depth_bytes(const struct stack *s)
{
	const volatile uint64_t *words = (const uint64_t *) (const void *) s->bottom;
	size_t i = 0;

	if (!s->painted)
		return 0;
	sanitizer_look_begin();
	while (i < STACK_BYTES / sizeof(*words) && words[i] == PAINT)
		i++;
	sanitizer_look_end();
	return STACK_BYTES - i * sizeof(*words);
}
