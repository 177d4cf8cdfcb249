/* SPDX-License-Identifier: MIT */
/* Walking a tree in both directions. */
#include "memtable/memtable_private.h"

/* levels[0] is the leaf; height is the number of levels, 0 for the empty tree. */

static const sop_memnode *level_node(const sop_memcursor *cursor, unsigned level)
{
    return cursor->levels[level].node;
}

void sop_memcursor_init(sop_memcursor *cursor, const sop_memtree *tree)
{
    cursor->tree = tree;
    cursor->height = tree == NULL ? 0 : tree->level + 1u;
    cursor->record = NULL;
}

static const sop_record *stand(sop_memcursor *cursor, const sop_memnode *leaf, unsigned at)
{
    cursor->levels[0].node = leaf;
    cursor->levels[0].index = at;
    cursor->record = sop_memnode__records(leaf)[at];
    return cursor->record;
}

/* Down the leftmost (last 0) or rightmost (last 1) path from a node. */
static const sop_record *descend_edge(sop_memcursor *cursor, const sop_memnode *node, int last)
{
    while (node->level != 0) {
        unsigned at = last ? node->count - 1u : 0;
        cursor->levels[node->level].node = node;
        cursor->levels[node->level].index = at;
        node = sop_memnode__children(node)[at];
    }
    return stand(cursor, node, last ? node->count - 1u : 0);
}

/* To the neighbour of the leaf that the path leads to; NULL if there is none. */
static const sop_record *climb(sop_memcursor *cursor, int forward)
{
    for (unsigned level = 1; level < cursor->height; level++) {
        const sop_memnode *node = level_node(cursor, level);
        unsigned at = cursor->levels[level].index;
        if (forward ? at + 1 == node->count : at == 0) continue;
        at = forward ? at + 1 : at - 1;
        cursor->levels[level].index = at;
        return descend_edge(cursor, sop_memnode__children(node)[at], !forward);
    }
    cursor->record = NULL;
    return NULL;
}

/* Sets the path to the leaf of the key; returns the number of its records below the key. */
static unsigned seek(sop_memcursor *cursor, sop_slice key)
{
    const sop_memnode *node = cursor->tree;
    while (node->level != 0) {
        unsigned at = sop_memnode__child(node, key);
        cursor->levels[node->level].node = node;
        cursor->levels[node->level].index = at;
        node = sop_memnode__children(node)[at];
        sop_memnode__prefetch(node);
    }
    int equal = 0;
    cursor->levels[0].node = node;
    return sop_memnode__lower(node, key, &equal);
}

const sop_record *sop_memcursor_seek_ge(sop_memcursor *cursor, sop_slice key)
{
    if (cursor->height == 0) return NULL;
    unsigned at = seek(cursor, key);
    const sop_memnode *leaf = level_node(cursor, 0);
    return at < leaf->count ? stand(cursor, leaf, at) : climb(cursor, 1);
}

const sop_record *sop_memcursor_seek_lt(sop_memcursor *cursor, sop_slice key)
{
    if (cursor->height == 0) return NULL;
    unsigned at = seek(cursor, key);
    return at > 0 ? stand(cursor, level_node(cursor, 0), at - 1) : climb(cursor, 0);
}

const sop_record *sop_memcursor_first(sop_memcursor *cursor)
{
    return cursor->height == 0 ? NULL : descend_edge(cursor, cursor->tree, 0);
}

const sop_record *sop_memcursor_last(sop_memcursor *cursor)
{
    return cursor->height == 0 ? NULL : descend_edge(cursor, cursor->tree, 1);
}

const sop_record *sop_memcursor_next(sop_memcursor *cursor)
{
    if (cursor->record == NULL) return NULL;
    const sop_memnode *leaf = level_node(cursor, 0);
    unsigned at = cursor->levels[0].index + 1;
    return at < leaf->count ? stand(cursor, leaf, at) : climb(cursor, 1);
}

const sop_record *sop_memcursor_prev(sop_memcursor *cursor)
{
    if (cursor->record == NULL) return NULL;
    unsigned at = cursor->levels[0].index;
    return at > 0 ? stand(cursor, level_node(cursor, 0), at - 1) : climb(cursor, 0);
}
