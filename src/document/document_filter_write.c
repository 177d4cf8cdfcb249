/* SPDX-License-Identifier: MIT */
/* Filters back to text and to JSON. */
#include "document/document_filter.h"
#include "util/bytes.h"

static void put(sop_json_writer *text, const char *s)
{
    sop_json_append(text, sop_str(s));
}

static void write_literal(const sop_literal *literal, sop_json_writer *text)
{
    if (literal->kind != SOP_LITERAL_PLAIN) {
        put(text, sop_document__literal_word(literal->kind));
        put(text, " ");
    }
    sop_json_append(text, literal->json.raw);
}

static void write_literals(const sop_filter_node *node, sop_json_writer *text)
{
    const char *between = node->op == SOP_FILTER_BETWEEN ? " and " : ", ";
    if (node->op == SOP_FILTER_IN) put(text, "(");
    for (size_t i = 0; i < node->literal_count; i++) {
        if (i != 0) put(text, between);
        write_literal(&node->literals[i], text);
    }
    if (node->op == SOP_FILTER_IN) put(text, ")");
}

static void write_test(const sop_filter_node *node, sop_json_writer *text)
{
    sop_document__path_write(&node->path, text);
    put(text, node->op == SOP_FILTER_IS_NULL ? " is " : " ");
    put(text, sop_document__ops[node->op].word);
    if (node->literal_count != 0) put(text, " ");
    write_literals(node, text);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the filter, at most SOP_DOCUMENT_FILTER_DEPTH_MAX. */
static void write_child(const sop_filter_node *node, sop_json_writer *text, int parentheses)
{
    if (parentheses) put(text, "(");
    sop_filter_write(node, text);
    if (parentheses) put(text, ")");
}

/* NOLINTNEXTLINE(misc-no-recursion): as write_child. */
void sop_filter_write(const sop_filter_node *node, sop_json_writer *text)
{
    if (node->op == SOP_FILTER_ALL) {
        put(text, "true");
    } else if (node->op == SOP_FILTER_NOT) {
        put(text, "not ");
        write_child(node->child, text,
                    node->child->op == SOP_FILTER_AND || node->child->op == SOP_FILTER_OR);
    } else if (node->op > SOP_FILTER_NOT) {
        write_test(node, text);
    } else {
        for (const sop_filter_node *c = node->child; c != NULL; c = c->next) {
            if (c != node->child) put(text, node->op == SOP_FILTER_AND ? " and " : " or ");
            /* A list inside a list of the same kind, or an or inside an and, would else become one list. */
            int tighter = c->op > SOP_FILTER_OR || c->op == SOP_FILTER_ALL;
            write_child(c, text,
                        !tighter && !(c->op == SOP_FILTER_AND && node->op == SOP_FILTER_OR));
        }
    }
}

static void write_literal_json(const sop_literal *literal, sop_json_writer *writer)
{
    if (literal->kind == SOP_LITERAL_PLAIN) {
        sop_json_raw(writer, literal->json.raw);
        return;
    }
    sop_json_object_begin(writer);
    sop_json_key(writer, sop_str(sop_document__literal_word(literal->kind)));
    sop_json_raw(writer, literal->json.raw);
    sop_json_object_end(writer);
}

static void write_path_json(const sop_json_path *path, sop_json_writer *writer)
{
    sop_json_writer text;
    sop_slice out;
    sop_json_writer_init(&text, 0);
    sop_document__path_write(path, &text);
    sop_status status = sop_json_writer_end(&text, &out);
    if (status == SOP_OK) {
        sop_json_string(writer, out);
    } else if (writer->status == SOP_OK) {
        writer->status = status;
    }
    sop_json_writer_deinit(&text);
}

/* NOLINTNEXTLINE(misc-no-recursion): as write_child. */
void sop_filter_write_json(const sop_filter_node *node, sop_json_writer *writer)
{
    if (node->op == SOP_FILTER_ALL) {
        sop_json_bool(writer, 1);
        return;
    }
    sop_json_array_begin(writer);
    sop_json_string(writer, sop_str(sop_document__ops[node->op].word));
    for (const sop_filter_node *c = node->child; c != NULL; c = c->next) {
        sop_filter_write_json(c, writer);
    }
    if (node->op > SOP_FILTER_NOT) write_path_json(&node->path, writer);
    for (size_t i = 0; i < node->literal_count; i++) {
        write_literal_json(&node->literals[i], writer);
    }
    sop_json_array_end(writer);
}
