#include "net/flow.h"

#include "net/splice.h"

/* Steps in a turn: half of them reads. */
#define STEPS_PER_TURN 8
/* No read begins in a turn that has brought so much. */
#define TURN_BYTES (512 * 1024)
#define COPIED_TURN_BYTES (128 * 1024)
/* So many full chunks in a row, 64 KiB, are taken for the beginning of much more. */
#define FULL_READS 4
/* So many moves in a row that were smaller than a chunk are taken for the end of it. */
#define SMALL_MOVES 4

void flow_init(struct flow *f, struct stream *from, struct stream *to, struct pipe_pool *pipes)
{
	*f = (struct flow) { .from = from, .to = to, .pipes = pipes };
	f->way = pipes && stream_splices_in(from) && stream_splices_out(to) ? FLOW_COPIES : FLOW_ONLY_COPIES;
}

/* -- the way -- */

static void begin_to_splice(struct flow *f)
{
	f->way = FLOW_SPLICES;
	f->small_moves = 0;
	pipe_pool_join(f->pipes);
}

static void end_to_splice(struct flow *f, enum flow_way way)
{
	if (f->way == FLOW_SPLICES)
		pipe_pool_leave(f->pipes);
	f->way = way;
	f->full_reads = 0;
}

/* True when there have been so many small ones in a row that bytes no longer come in bulk. */
static bool small_moves_add_up(struct flow *f, size_t bytes)
{
	f->small_moves = bytes < CHUNK_BYTES ? f->small_moves + 1 : 0;
	return f->small_moves == SMALL_MOVES;
}

static void begin_bulk(struct flow *f)
{
	if (f->way == FLOW_COPIES) {
		begin_to_splice(f);
	} else {
		f->large = true;
		f->small_moves = 0;
	}
}

static void note_copied(struct flow *f, size_t bytes)
{
	f->read_next = false;
	if (UNLIKELY(f->large) && small_moves_add_up(f, bytes))
		f->large = false;
	if (LIKELY(bytes < CHUNK_BYTES))
		f->full_reads = 0;
	else if (!f->large && f->way != FLOW_SPLICES && ++f->full_reads == FULL_READS)
		begin_bulk(f);
}

static void note_spliced(struct flow *f, size_t bytes)
{
	f->read_next = bytes < f->pipe->size_bytes;
	if (small_moves_add_up(f, bytes))
		end_to_splice(f, FLOW_COPIES);
}

/* -- steps -- */

static int wait_to_read(struct flow *f)
{
	f->chunk = chunk_put(f->chunk);
	f->full_reads = 0;
	f->read_next = false;
	return FLOW_BLOCKED;
}

/* The chunk that it holds goes only for another one: others may wait for it, and then none would be left here. */
static void choose_size(struct flow *f)
{
	struct chunk *other = f->large ? chunk_try_get_large() : chunk_try_get();

	if (other) {
		chunk_put(f->chunk);
		f->chunk = other;
	}
}

static bool has_chunk(struct flow *f)
{
	if (UNLIKELY(f->chunk ? f->large != chunk_is_large(f->chunk) : f->large))
		choose_size(f);
	if (!f->chunk)
		f->chunk = chunk_try_get();
	f->starved = !f->chunk;
	return f->chunk;
}

static void fill_chunk(struct flow *f, size_t bytes)
{
	f->chunk->begin = 0;
	f->chunk->end = (uint32_t) bytes;
}

/* So much has been read into its chunk. */
static inline void take_over(struct flow *f, size_t bytes)
{
	fill_chunk(f, bytes);
	f->moved_bytes += bytes;
	f->state = FLOW_WRITING;
	note_copied(f, bytes);
}

static int copy_in(struct flow *f)
{
	if (!has_chunk(f))
		return FLOW_BLOCKED;

	ssize_t n = stream_try_read(f->from, f->chunk->bytes, f->chunk->size_bytes, &f->want);
	if (n > 0) {
		take_over(f, (size_t) n);
		return FLOW_DONE;
	}
	if (n == -EAGAIN)
		return wait_to_read(f);
	if (n < 0)
		return (int) n;
	flow_done(f);
	f->state = f->source_failed ? FLOW_BROKEN : FLOW_FINISHING;
	return FLOW_DONE;
}

/* FLOW_BLOCKED when nothing was moved: whatever it is that the kernel cannot move, copying finds out. */
static int splice_in(struct flow *f)
{
	f->chunk = chunk_put(f->chunk);
	f->pipe = pipe_try_get(f->pipes);
	if (!f->pipe) {
		end_to_splice(f, FLOW_COPIES);
		return FLOW_BLOCKED;
	}

	ssize_t n = stream_splice_in(f->from, f->pipe);
	if (n > 0) {
		f->moved_bytes += (size_t) n;
		f->state = FLOW_WRITING;
		note_spliced(f, (size_t) n);
		return FLOW_DONE;
	}
	f->pipe = pipe_put(f->pipe);
	if (n == -EINVAL)
		end_to_splice(f, FLOW_ONLY_COPIES);
	return n == 0 || n == -EINVAL ? FLOW_BLOCKED : (int) n;
}

static int flow_read(struct flow *f)
{
	int r = FLOW_BLOCKED;

	if (!stream_may_read(f->from, &f->want))
		return wait_to_read(f);
	if (f->way == FLOW_SPLICES && !f->read_next)
		r = splice_in(f);
	return r == FLOW_BLOCKED ? copy_in(f) : r;
}

static int copy_out(struct flow *f)
{
	struct chunk *c = f->chunk;
	ssize_t n = stream_try_write(f->to, c->bytes + c->begin, chunk_length(c), &f->want);

	if (n < 0)
		return n == -EAGAIN ? FLOW_BLOCKED : (int) n;
	c->begin += (uint32_t) n;
	if (chunk_length(c) == 0 && !f->pipe)
		f->state = FLOW_READING;
	return FLOW_DONE;
}

/* Nothing is held of a pipe that is empty: it is as cheap to get again. */
static void drop_empty_pipe(struct flow *f)
{
	if (f->pipe->length == 0)
		f->pipe = pipe_put(f->pipe);
}

static int splice_out(struct flow *f)
{
	ssize_t n = stream_splice_out(f->to, f->pipe, &f->want);

	if (n == -EINVAL)
		end_to_splice(f, FLOW_ONLY_COPIES);
	else if (n < 0)
		return n == -EAGAIN ? FLOW_BLOCKED : (int) n;
	drop_empty_pipe(f);
	if (!f->pipe)
		f->state = FLOW_READING;
	return FLOW_DONE;
}

/* What is in the pipe already goes the way that everything goes from now on. */
static int take_from_pipe(struct flow *f)
{
	if (!has_chunk(f))
		return FLOW_BLOCKED;

	ssize_t n = pipe_read(f->pipe, f->chunk->bytes, f->chunk->size_bytes);
	if (n < 0)
		return (int) n;
	fill_chunk(f, (size_t) n);
	drop_empty_pipe(f);
	return FLOW_DONE;
}

static int flow_write(struct flow *f)
{
	if (f->chunk && chunk_length(f->chunk) > 0)
		return copy_out(f);
	return f->way == FLOW_ONLY_COPIES ? take_from_pipe(f) : splice_out(f);
}

/* The last of the four ends is left to whoever closes the streams: that says the same, in one call less, when
 * there is no more to it than a FIN. */
static int flow_finish(struct flow *f)
{
	bool closing_says_it = f->from->write_ended && f->to->read_ended && stream_splices_in(f->to);
	int r = closing_says_it ? 0 : stream_try_finish(f->to, &f->want);

	if (r < 0)
		return r == -EAGAIN ? FLOW_BLOCKED : r;
	f->state = FLOW_FINISHED;
	return FLOW_DONE;
}

static int step(struct flow *f)
{
	f->starved = false;
	switch (f->state) {
	case FLOW_READING:
		return flow_read(f);
	case FLOW_WRITING:
		return flow_write(f);
	case FLOW_FINISHING:
		return flow_finish(f);
	case FLOW_FINISHED:
	case FLOW_BROKEN:
		break;
	}
	return FLOW_BLOCKED;
}

static bool has_had_its_turn(const struct flow *f)
{
	size_t enough_bytes = f->way == FLOW_SPLICES ? TURN_BYTES : COPIED_TURN_BYTES;

	return f->state == FLOW_READING && f->moved_bytes >= enough_bytes;
}

int flow_read_message(struct flow *f)
{
	if (f->way == FLOW_SPLICES || f->large || f->full_reads > 0 || !has_chunk(f))
		return FLOW_BLOCKED;

	ssize_t n = stream_try_read(f->from, f->chunk->bytes, f->chunk->size_bytes, &f->want);
	if (UNLIKELY(n <= 0))
		return n == -EAGAIN ? FLOW_BLOCKED : (int) n;
	take_over(f, (size_t) n);
	return FLOW_DONE;
}

int flow_write_message(struct flow *f)
{
	int result = copy_out(f);

	if (UNLIKELY(result != FLOW_DONE || f->state != FLOW_READING))
		return MIN(result, FLOW_BLOCKED);
	f->chunk = chunk_put(f->chunk);
	return FLOW_DONE;
}

int flow_turn(struct flow *f, bool *progress)
{
	for (int steps = 0; steps < STEPS_PER_TURN; steps++) {
		int result = step(f);

		if (result != FLOW_DONE)
			return result;
		*progress = true;
		if (has_had_its_turn(f))
			break;
	}
	return FLOW_DONE;
}

int flow_wait_for_chunk(struct flow *f, struct stream *client)
{
	int64_t before_ns = task_waited_ns();
	int r = (chunk_get)(&f->chunk);

	if (client->waits)
		client->waits->other_ns += task_waited_ns() - before_ns;
	return r < 0 ? r : FLOW_DONE;
}

void flow_break(struct flow *f)
{
	flow_done(f);
	f->state = FLOW_BROKEN;
}

void flow_done(struct flow *f)
{
	end_to_splice(f, FLOW_ONLY_COPIES);
	f->chunk = chunk_put(f->chunk);
	f->pipe = pipe_put(f->pipe);
}
