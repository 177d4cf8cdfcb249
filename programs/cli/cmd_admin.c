/* SPDX-License-Identifier: MIT */
/* check, backup, restore: keeping a database safe. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    const cli_args *args;
    cli_progress progress;
} check_context;

static void check_finding(sop_status status, const char *message, void *context)
{
    const check_context *c = context;
    if (c->args->json) {
        (void)printf("{\"status\":\"%s\",\"message\":", sop_status_name(status));
        cli_print_json(stdout, sop_str(message));
        (void)printf("}\n");
    } else {
        (void)printf("%s\n", message);
    }
}

static sop_status check_progress(uint64_t done, uint64_t total, void *context)
{
    check_context *c = context;
    return cli_progress_step(done, total, &c->progress);
}

static void check_report(const cli_args *args, const sop_check_report *report)
{
    char numbers[3][32];
    char bytes[32];
    if (!args->json && report->findings != 0) return;
    if (!args->json) {
        (void)printf("sound: %s store%s, %s item%s in the base, %s log frame%s, %s verified\n",
                     cli_thousands(report->stores, numbers[0]), report->stores == 1 ? "" : "s",
                     cli_thousands(report->items, numbers[1]), report->items == 1 ? "" : "s",
                     cli_thousands(report->frames, numbers[2]), report->frames == 1 ? "" : "s",
                     cli_bytes(report->bytes, bytes));
        return;
    }
    const cli_figure figures[] = {
        {"findings", NULL, CLI_NUMBER, report->findings, {0}},
        {"stores", NULL, CLI_NUMBER, report->stores, {0}},
        {"items", NULL, CLI_NUMBER, report->items, {0}},
        {"nodes", NULL, CLI_NUMBER, report->nodes, {0}},
        {"values", NULL, CLI_NUMBER, report->values, {0}},
        {"frames", NULL, CLI_NUMBER, report->frames, {0}},
        {"bytes", NULL, CLI_NUMBER, report->bytes, {0}},
    };
    cli_figures_print(args, figures, sizeof figures / sizeof figures[0]);
}

int cmd_check(const cli_args *args)
{
    sop_db *db;
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    check_context context = {.args = args};
    sop_error err = {0};
    sop_check_options options = SOP_CHECK_OPTIONS_INIT;
    sop_check_report report = SOP_CHECK_REPORT_INIT;
    options.quick = cli_flag(args, "quick");
    options.finding = check_finding;
    options.progress = check_progress;
    options.context = &context;
    cli_progress_begin(&context.progress, args, "checking, bytes");
    sop_status status = sop_db_check(db, &options, &report, &err);
    cli_progress_end(&context.progress);
    /* The report counts the trees it met; people think of all stores. */
    sop_db_info info = SOP_DB_INFO_INIT;
    if (status == SOP_OK && sop_db_info_get(db, &info, NULL) == SOP_OK) report.stores = info.stores;
    if (status == SOP_OK || report.findings != 0) check_report(args, &report);
    if (report.findings != 0) {
        (void)cli_error(args, "%s is damaged: %llu finding%s", args->positional[0],
                        (unsigned long long)report.findings, report.findings == 1 ? "" : "s");
        code = CLI_DAMAGED;
    } else if (status != SOP_OK) {
        code = cli_fail(args, status, &err);
    }
    return cli_close(args, db, code);
}

typedef struct {
    cli_progress progress;
    uint64_t bytes;
} copy_context;

static sop_status copy_step(uint64_t done, uint64_t total, void *context)
{
    copy_context *c = context;
    c->bytes = done;
    return cli_progress_step(done, total, &c->progress);
}

/* A backup is read as it is: the medium may be read-only, and nothing in it is to change. */
static int copy(const cli_args *args, const char *what, int read_only)
{
    sop_db *db;
    sop_error err = {0};
    int code = CLI_OK;
    if (read_only) {
        sop_db_options open = SOP_DB_OPTIONS_INIT;
        open.open_mode = SOP_OPEN_EXISTING;
        open.read_only = 1;
        sop_status opened = sop_db_open(args->positional[0], &open, &db, &err);
        if (opened != SOP_OK) return cli_fail(args, opened, &err);
        cli_interrupt_target(db);
    } else {
        code = cli_open(args, args->positional[0], 0, &db);
        if (code != CLI_OK) return code;
    }
    copy_context context = {.bytes = 0};
    sop_work_options options = SOP_WORK_OPTIONS_INIT;
    options.progress = copy_step;
    options.context = &context;
    cli_progress_begin(&context.progress, args, what);
    sop_status status = sop_db_backup(db, args->positional[1], &options, &err);
    cli_progress_end(&context.progress);
    if (status != SOP_OK) code = cli_fail(args, status, &err);
    /* Not found is the folder around the target, not a database. */
    if (code == CLI_ABSENT) code = CLI_FAILED;
    code = cli_close(args, db, code);
    if (code == CLI_OK && !args->quiet) {
        char bytes[32];
        if (args->json) {
            (void)printf("{\"bytes\":%llu}\n", (unsigned long long)context.bytes);
        } else {
            (void)printf("%s copied to %s\n", cli_bytes(context.bytes, bytes), args->positional[1]);
        }
    }
    return code;
}

int cmd_backup(const cli_args *args)
{
    return copy(args, "backup", 0);
}

int cmd_restore(const cli_args *args)
{
    return copy(args, "restore", 1);
}
