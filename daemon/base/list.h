/* list.h - an intrusive, doubly linked list.
 *
 * A node is a member of the thing that is listed; linking and unlinking allocate nothing and cannot
 * fail. A head is a node that stands for the list itself. A node that is in no list points at itself,
 * so list_remove() may be called on it again.
 */
#pragma once

#include "base/base.h"

struct list {
	struct list *next, *previous;
};

#define LIST_INIT(head) { &(head), &(head) }

static inline void list_init(struct list *node)
{
	node->next = node->previous = node;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

/* True while the node is in a list. */
static inline bool list_is_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert_before(struct list *position, struct list *node)
{
	node->next = position;
	node->previous = position->previous;
	position->previous->next = node;
	position->previous = node;
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_prepend(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

/* Moves all nodes of `from` behind those of `to`, in their order. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	list_init(from);
}

/* Takes the first node out, or returns NULL. */
static inline struct list *list_take_first(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

#define list_entry(node, type, member) container_of(node, type, member)

#define LIST_EACH(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

/* The same, when the body may remove the node it is at. */
#define LIST_EACH_SAFE(node, head)                                                                         \
	for (struct list *node = (head)->next, *node##_next_ = node->next; node != (head);                 \
	     node = node##_next_, node##_next_ = node->next)
