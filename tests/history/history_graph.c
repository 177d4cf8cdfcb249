/* SPDX-License-Identifier: MIT */
/*
 * Cycles of dependencies: strongly connected components, and what kind of anomaly each is.
 *
 * Names after Adya, "Weak Consistency", 1999: G0 (writes only), G1c (writes and reads of them), G-single (one read that was
 * overwritten; lost-update when reader and overwriter wrote the same key), G2 (several). phantom: not without a read of a range.
 * real-time: only because one ended before the other began.
 */
#include "history/history_graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

void graph_edge_add(graph *g, uint32_t from, uint32_t to, uint32_t key, uint32_t type)
{
    if (from == to) return;
    if (g->edge_count == g->edge_capacity) {
        g->edge_capacity = g->edge_capacity == 0 ? 4096 : g->edge_capacity * 2;
        g->edges = must(realloc(g->edges, g->edge_capacity * sizeof *g->edges));
    }
    g->edges[g->edge_count++] = (graph_edge){from, to, key, type};
}

void graph_deinit(graph *g)
{
    free(g->edges);
    free(g->first);
    *g = (graph){0};
}

/* Counting sort by the node they leave. */
static void edges_sort(graph *g)
{
    size_t *first = must(calloc((size_t)g->node_count + 2, sizeof *first));
    graph_edge *sorted = must(malloc((g->edge_count + 1) * sizeof *sorted));
    for (size_t i = 0; i < g->edge_count; i++)
        first[g->edges[i].from + 1]++;
    for (uint32_t i = 0; i < g->node_count; i++)
        first[i + 1] += first[i];
    size_t *at = must(malloc(((size_t)g->node_count + 1) * sizeof *at));
    memcpy(at, first, ((size_t)g->node_count + 1) * sizeof *at);
    for (size_t i = 0; i < g->edge_count; i++)
        sorted[at[g->edges[i].from]++] = g->edges[i];
    free(at);
    free(g->edges);
    free(g->first);
    g->edges = sorted;
    g->first = first;
}

/* ---- strongly connected components (Tarjan 1972, without recursion) ---- */

typedef struct {
    const graph *g;
    uint32_t mask;
    uint32_t *order; /* 0: not seen; else 1, 2, ... */
    uint32_t *low;
    size_t *next; /* edge to follow next */
    uint8_t *open;
    uint32_t *stack;
    uint32_t stack_count;
    uint32_t *path;
    uint32_t path_count;
    uint32_t seen;
    uint32_t *component; /* number of the component with more than one node, else 0 */
    uint32_t components;
} tarjan;

static void component_take(tarjan *t, uint32_t node)
{
    uint32_t first = t->stack_count;
    while (t->stack[--first] != node) {
    }
    uint32_t number = t->stack_count - first > 1 ? ++t->components : 0;
    while (t->stack_count > first) {
        uint32_t member = t->stack[--t->stack_count];
        t->open[member] = 0;
        t->component[member] = number;
    }
}

static void node_open(tarjan *t, uint32_t node)
{
    t->order[node] = t->low[node] = ++t->seen;
    t->next[node] = t->g->first[node];
    t->open[node] = 1;
    t->stack[t->stack_count++] = node;
    t->path[t->path_count++] = node;
}

static void search_from(tarjan *t, uint32_t root)
{
    node_open(t, root);
    while (t->path_count > 0) {
        uint32_t node = t->path[t->path_count - 1];
        if (t->next[node] < t->g->first[node + 1]) {
            const graph_edge *edge = &t->g->edges[t->next[node]++];
            if ((edge->type & t->mask) == 0) continue;
            if (t->order[edge->to] == 0) {
                node_open(t, edge->to);
            } else if (t->open[edge->to] && t->order[edge->to] < t->low[node]) {
                t->low[node] = t->order[edge->to];
            }
            continue;
        }
        t->path_count--;
        if (t->path_count > 0) {
            uint32_t parent = t->path[t->path_count - 1];
            if (t->low[node] < t->low[parent]) t->low[parent] = t->low[node];
        }
        if (t->low[node] == t->order[node]) component_take(t, node);
    }
}

/* The component of each node over edges of the mask; the caller frees. */
static uint32_t *components_find(const graph *g, uint32_t mask, uint32_t *count_out)
{
    size_t n = (size_t)g->node_count + 1;
    tarjan t = {.g = g,
                .mask = mask,
                .order = must(calloc(n, sizeof(uint32_t))),
                .low = must(calloc(n, sizeof(uint32_t))),
                .next = must(calloc(n, sizeof(size_t))),
                .open = must(calloc(n, 1)),
                .stack = must(calloc(n, sizeof(uint32_t))),
                .path = must(calloc(n, sizeof(uint32_t))),
                .component = must(calloc(n, sizeof(uint32_t)))};
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (t.order[i] == 0) search_from(&t, i);
    }
    free(t.order);
    free(t.low);
    free(t.next);
    free(t.open);
    free(t.stack);
    free(t.path);
    *count_out = t.components;
    return t.component;
}

/* ---- one cycle as a witness ---- */

/* The edges of a shortest way from one node to another inside a component; how many, 0: none. */
static size_t way_find(const graph *g,
                       const uint32_t *component,
                       uint32_t mask,
                       const uint32_t ends[2],
                       const graph_edge **way,
                       size_t way_max)
{
    const graph_edge **by = must(calloc((size_t)g->node_count + 1, sizeof(const graph_edge *)));
    uint32_t *queue = must(calloc((size_t)g->node_count + 1, sizeof *queue));
    size_t head = 0;
    size_t tail = 0;
    size_t length = 0;
    queue[tail++] = ends[0];
    while (head < tail && by[ends[1]] == NULL) {
        uint32_t node = queue[head++];
        for (size_t e = g->first[node]; e < g->first[node + 1]; e++) {
            const graph_edge *edge = &g->edges[e];
            if ((edge->type & mask) == 0 || component[edge->to] != component[ends[0]]) continue;
            if (by[edge->to] != NULL || edge->to == ends[0]) continue;
            by[edge->to] = edge;
            queue[tail++] = edge->to;
        }
    }
    for (uint32_t node = ends[1]; by[node] != NULL && node != ends[0]; node = by[node]->from)
        length++;
    size_t i = length;
    for (uint32_t node = ends[1]; i > 0; node = by[node]->from) {
        i--;
        if (i < way_max) way[i] = by[node];
    }
    free(by);
    free(queue);
    return length;
}

static const char *edge_word(uint32_t type)
{
    if (type == EDGE_WW) return "ww";
    if (type == EDGE_WR) return "wr";
    if (type == EDGE_RW) return "rw";
    return type == EDGE_RW_RANGE ? "rw(range)" : "time";
}

enum { WAY_MAX = 12 };

typedef struct {
    const graph *g;
    graph_name name;
    const void *context;
    history_findings *findings;
} judge;

static void cycle_report(const judge *j,
                         const char *kind,
                         const graph_edge *first,
                         const graph_edge **way,
                         size_t length)
{
    char text[360];
    size_t used = (size_t)snprintf(text, sizeof text, "%" PRIu64 " -%s-> %" PRIu64,
                                   j->name(j->context, first->from), edge_word(first->type),
                                   j->name(j->context, first->to));
    for (size_t i = 0; i < length && i < WAY_MAX && used + 64 < sizeof text; i++) {
        if (way[i]->type == EDGE_TIME && i + 1 < length) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, " -%s-> %" PRIu64,
                                 edge_word(way[i]->type), j->name(j->context, way[i]->to));
    }
    history_report(j->findings, kind, "%s%s", text, length > WAY_MAX ? " ..." : "");
}

/* The way back from the end of an edge to its beginning. */
static size_t way_back(const judge *j,
                       const uint32_t *component,
                       uint32_t mask,
                       const graph_edge *edge,
                       const graph_edge **way)
{
    const uint32_t ends[2] = {edge->to, edge->from};
    return way_find(j->g, component, mask, ends, way, WAY_MAX);
}

/* Every component over these edges is one finding of that name. */
static size_t mask_judge(const judge *j, uint32_t mask, const char *kind)
{
    uint32_t count;
    uint32_t *component = components_find(j->g, mask, &count);
    uint8_t *told = must(calloc((size_t)count + 1, 1));
    for (size_t e = 0; e < j->g->edge_count && count > 0; e++) {
        const graph_edge *edge = &j->g->edges[e];
        const graph_edge *way[WAY_MAX];
        uint32_t number = component[edge->from];
        if (number == 0 || told[number] || component[edge->to] != number) continue;
        if ((edge->type & mask) == 0 || edge->type == EDGE_TIME) continue;
        told[number] = 1;
        size_t length = way_back(j, component, mask, edge, way);
        cycle_report(j, kind, edge, way, length);
    }
    free(told);
    free(component);
    return count;
}

static const char *single_kind(const graph_edge *edge, const graph_edge **way, size_t length)
{
    if (edge->type == EDGE_RW_RANGE) return "phantom";
    int same_key = length == 1 && way[0]->type == EDGE_WW && way[0]->key == edge->key;
    return same_key ? "lost-update" : "G-single";
}

/* Components that one overwritten read closes. */
static size_t single_judge(const judge *j)
{
    enum { TRIES = 200 };
    uint32_t count;
    uint32_t *component = components_find(j->g, EDGE_DATA, &count);
    uint8_t *told = must(calloc((size_t)count + 1, 1));
    size_t found = 0;
    size_t tries = 0;
    for (size_t e = 0; e < j->g->edge_count && count > 0 && tries < TRIES; e++) {
        const graph_edge *edge = &j->g->edges[e];
        const graph_edge *way[WAY_MAX];
        uint32_t number = component[edge->from];
        if (number == 0 || told[number] || component[edge->to] != number) continue;
        if ((edge->type & (EDGE_RW | EDGE_RW_RANGE)) == 0) continue;
        tries++;
        size_t length = way_back(j, component, EDGE_WW | EDGE_WR, edge, way);
        if (length == 0) continue;
        told[number] = 1;
        found++;
        cycle_report(j, single_kind(edge, way, length), edge, way, length);
    }
    free(told);
    free(component);
    return found;
}

void graph_judge(graph *g, graph_name name, const void *context, history_findings *findings)
{
    edges_sort(g);
    judge j = {g, name, context, findings};
    /* From the worst to the subtle; what a knot is under a weaker name is not told again under a stronger one. */
    if (mask_judge(&j, EDGE_WW, "G0") != 0) return;
    if (mask_judge(&j, EDGE_WW | EDGE_WR, "G1c") != 0) return;
    if (single_judge(&j) != 0) return;
    if (mask_judge(&j, EDGE_WW | EDGE_WR | EDGE_RW, "G2") != 0) return;
    if (mask_judge(&j, EDGE_DATA, "phantom") != 0) return;
    (void)mask_judge(&j, EDGE_ALL, "real-time");
}
