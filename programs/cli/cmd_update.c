/* SPDX-License-Identifier: MIT */
/* update and delete: the same change in every document that fits, looked at before it is made. */
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"

enum { CHANGES_MAX = 32, SAMPLES = 5 };

typedef struct {
    const cli_args *args;
    sop_rewrite list[CHANGES_MAX];
    size_t count;
    cli_table memory; /* of plain texts */
} changes;

/* ---- changes as people write them: set PATH = JSON, unset PATH, replace "A" with "B" in PATH ---- */

static const char *blanks(const char *at)
{
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return at;
}

/* Behind a word and blanks, or NULL. */
static const char *after_word(const char *at, const char *word)
{
    size_t size = strlen(word);
    if (strncmp(at, word, size) != 0 || (at[size] != ' ' && at[size] != '\t')) return NULL;
    return blanks(at + size);
}

static sop_slice trimmed(const char *at, const char *end)
{
    at = blanks(at);
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (sop_slice){at, (size_t)(end - at)};
}

/* A JSON string at the start; its plain text. NULL: there is none. */
static const char *quoted(changes *c, const char *at, sop_slice *plain)
{
    const char *end = at + 1;
    if (*at != '"') return NULL;
    while (*end != '\0' && *end != '"') {
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    }
    if (*end != '"') return NULL;
    sop_slice raw = {at, (size_t)(end + 1 - at)};
    if (sop_json_check(raw, NULL, NULL, NULL) != SOP_OK) return NULL;
    *plain = cli_cell(&c->memory, raw);
    return plain->data == NULL ? NULL : blanks(end + 1);
}

static int replace_read(changes *c, const char *at, sop_rewrite *out)
{
    out->kind = SOP_REWRITE_REPLACE;
    at = quoted(c, at, &out->find);
    if (at != NULL) at = after_word(at, "with");
    if (at != NULL) at = quoted(c, at, &out->with);
    if (at != NULL) at = after_word(at, "in");
    if (at != NULL) out->path = trimmed(at, at + strlen(at));
    return at != NULL && out->path.size != 0;
}

static int change_read(changes *c, const char *text)
{
    sop_rewrite *out = &c->list[c->count];
    *out = (sop_rewrite){.kind = SOP_REWRITE_SET};
    const char *at = blanks(text);
    const char *rest;
    int good = 0;
    if ((rest = after_word(at, "set")) != NULL) {
        const char *equals = strchr(rest, '=');
        good = equals != NULL;
        if (good) out->path = trimmed(rest, equals);
        if (good) out->value = trimmed(equals + 1, equals + strlen(equals));
    } else if ((rest = after_word(at, "unset")) != NULL) {
        out->kind = SOP_REWRITE_UNSET;
        out->path = trimmed(rest, rest + strlen(rest));
        good = out->path.size != 0;
    } else if ((rest = after_word(at, "replace")) != NULL) {
        good = replace_read(c, rest, out);
    }
    c->count++;
    if (good) return CLI_OK;
    return cli_usage_error(
        c->args, "%s: set PATH = JSON, unset PATH, or replace \"A\" with \"B\" in PATH", text);
}

/* ---- doing it ---- */

static int preview_print(const cli_args *args, const sop_text *text, int *refused)
{
    sop_slice json = {text->data, text->size};
    sop_slice value;
    *refused = sop_json_text_pick(json, sop_str("refusal"), &value, NULL) == SOP_OK;
    if (args->json) {
        (void)printf("%s\n", text->data);
    } else {
        cli_print_pretty(stdout, json);
    }
    return CLI_OK;
}

static int preview_run(const cli_args *args, const sop_update_options *o)
{
    cli_documents d;
    sop_text text;
    int refused = 0;
    int code = cli_documents_open(&d, args, SOP_TXN_READ);
    if (code != CLI_OK) return code;
    sop_status status = sop_update_preview(d.documents, o, SAMPLES, &text);
    if (status == SOP_OK) {
        code = preview_print(args, &text, &refused);
        sop_text_free(&text);
        if (!args->quiet && !args->json) {
            (void)fputs("nothing was changed; --yes does it\n", stderr);
        }
    } else {
        code = cli_documents_fail(&d, status);
    }
    return cli_session_close(&d.s, code);
}

static void report_print(const cli_args *args, const sop_update_report *report, int removed)
{
    char count[32];
    if (args->json) {
        (void)printf("{\"examined\":%llu,\"matched\":%llu,\"%s\":%llu,\"transactions\":%llu}\n",
                     (unsigned long long)report->examined, (unsigned long long)report->matched,
                     removed ? "removed" : "changed", (unsigned long long)report->changed,
                     (unsigned long long)report->transactions);
    } else if (!args->quiet) {
        (void)printf("%s %s in %llu transaction%s\n", cli_thousands(report->changed, count),
                     removed ? "removed" : "changed", (unsigned long long)report->transactions,
                     report->transactions == 1 ? "" : "s");
    }
}

/* Says by which name an unfinished change goes on. */
static int
unfinished(const cli_args *args, sop_status status, const sop_error *err, const char *job)
{
    int code = cli_fail(args, status, err);
    if (job[0] != '\0') {
        (void)fprintf(stderr, "sop %s: a part is done; go on with: sop update DB --resume %s\n",
                      args->command, job);
    }
    return code;
}

static int change_run(const cli_args *args, const sop_update_options *options)
{
    sop_update_options with_progress = *options;
    sop_update_options *o = &with_progress;
    sop_db *db;
    sop_error err = {0};
    cli_progress progress;
    sop_update_report report = SOP_UPDATE_REPORT_INIT;
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    o->progress = cli_progress_step;
    o->context = &progress;
    cli_progress_begin(&progress, args, "changing");
    sop_status status = sop_update_run(db, args->positional[1], o, &report, &err);
    cli_progress_end(&progress);
    if (status == SOP_OK) {
        report_print(args, &report, o->remove);
    } else {
        code = unfinished(args, status, &err, report.job);
    }
    return cli_close(args, db, code);
}

static int options_read(const cli_args *args, sop_update_options *o)
{
    *o = (sop_update_options)SOP_UPDATE_OPTIONS_INIT;
    o->where = sop_str(cli_value(args, "where"));
    o->note = sop_str(cli_value(args, "note"));
    int code = cli_number(args, "at-once", 0, &o->at_once);
    if (code == CLI_OK) code = cli_number(args, "chunk", 0, &o->chunk);
    if (code == CLI_OK && o->where.size == 0) {
        code = cli_usage_error(args, "--where FILTER; true is every document");
    }
    return code;
}

/* ---- jobs ---- */

static int jobs_run(const cli_args *args)
{
    sop_db *db;
    sop_text text;
    sop_error err = {0};
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    sop_status status = sop_update_jobs(db, &text, &err);
    if (status != SOP_OK) return cli_close(args, db, cli_fail(args, status, &err));
    if (args->json) {
        (void)printf("%s\n", text.data);
    } else if (text.size > 2) {
        cli_print_pretty(stdout, (sop_slice){text.data, text.size});
    }
    sop_text_free(&text);
    return cli_close(args, db, CLI_OK);
}

static int resume_run(const cli_args *args, const char *job)
{
    sop_db *db;
    sop_error err = {0};
    cli_progress progress;
    sop_work_options options = SOP_WORK_OPTIONS_INIT;
    sop_update_report report = SOP_UPDATE_REPORT_INIT;
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    options.progress = cli_progress_step;
    options.context = &progress;
    cli_progress_begin(&progress, args, "changing");
    sop_status status = sop_update_resume(db, job, &options, &report, &err);
    cli_progress_end(&progress);
    if (status == SOP_OK) {
        report_print(args, &report, 0);
    } else {
        code = unfinished(args, status, &err, status == SOP_NOT_FOUND ? "" : job);
    }
    return cli_close(args, db, code);
}

static int cancel_run(const cli_args *args, const char *job)
{
    sop_db *db;
    sop_error err = {0};
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    sop_status status = sop_update_cancel(db, job, &err);
    return cli_close(args, db, status == SOP_OK ? CLI_OK : cli_fail(args, status, &err));
}

int cmd_update(const cli_args *args)
{
    if (cli_flag(args, "jobs")) return jobs_run(args);
    if (cli_flag(args, "resume")) return resume_run(args, cli_value(args, "resume"));
    if (cli_flag(args, "cancel")) return cancel_run(args, cli_value(args, "cancel"));
    changes c = {.args = args};
    sop_update_options o;
    int code =
        args->count < 3 ? cli_usage_error(args, "a store, and what is to be changed") : CLI_OK;
    for (int i = 2; i < args->count && code == CLI_OK; i++) {
        code = change_read(&c, args->positional[i]);
    }
    if (code == CLI_OK) code = options_read(args, &o);
    if (code == CLI_OK) {
        o.rewrites = c.list;
        o.rewrite_count = c.count;
        code = cli_flag(args, "yes") ? change_run(args, &o) : preview_run(args, &o);
    }
    cli_table_free(&c.memory);
    return code;
}

int cmd_delete(const cli_args *args)
{
    sop_update_options o;
    int code = options_read(args, &o);
    if (code != CLI_OK) return code;
    o.remove = 1;
    return cli_flag(args, "yes") ? change_run(args, &o) : preview_run(args, &o);
}
