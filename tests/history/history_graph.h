/* SPDX-License-Identifier: MIT */
/* Which transaction must come before which, and the cycles in it. Nodes are numbers; the caller knows what they mean. */
#ifndef SOP_TESTS_HISTORY_GRAPH_H
#define SOP_TESTS_HISTORY_GRAPH_H

#include "history/history.h"

enum {
    EDGE_WW = 1,       /* wrote the version before */
    EDGE_WR = 2,       /* wrote what the other read */
    EDGE_RW = 4,       /* read the version that the other replaced */
    EDGE_RW_RANGE = 8, /* ... as a part of a range */
    EDGE_TIME = 16,    /* ended before the other began */
    EDGE_DATA = 15,
    EDGE_ALL = 31
};

typedef struct {
    uint32_t from;
    uint32_t to;
    uint32_t key; /* on which they meet; any number that is one for each key */
    uint32_t type;
} graph_edge;

typedef struct {
    graph_edge *edges;
    size_t edge_count;
    size_t edge_capacity;
    uint32_t node_count;
    size_t *first; /* edges of node i: [first[i], first[i + 1]) once sorted */
} graph;

void graph_edge_add(graph *g, uint32_t from, uint32_t to, uint32_t key, uint32_t type);
void graph_deinit(graph *g);

/* Names a node in a message. */
typedef uint64_t (*graph_name)(const void *context, uint32_t node);

/* Reports every knot of transactions that no serial order explains, under the name of the weakest level that forbids it. */
void graph_judge(graph *g, graph_name name, const void *context, history_findings *findings);

#endif
