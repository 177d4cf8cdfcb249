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
    char items[32];
    char bytes[32];
    if (args->json) {
        (void)printf("{\"findings\":%llu,\"stores\":%llu,\"items\":%llu,\"nodes\":%llu,\"values\":%"
                     "llu,\"frames\":%llu,\"bytes\":%llu}\n",
                     (unsigned long long)report.findings, (unsigned long long)report.stores,
                     (unsigned long long)report.items, (unsigned long long)report.nodes,
                     (unsigned long long)report.values, (unsigned long long)report.frames,
                     (unsigned long long)report.bytes);
    } else if (report.findings == 0 && status == SOP_OK) {
        (void)printf("sound: %llu stores, %s items in the base, %llu log frames, %s verified\n",
                     (unsigned long long)report.stores, cli_thousands(report.items, items),
                     (unsigned long long)report.frames, cli_bytes(report.bytes, bytes));
    }
    if (status != SOP_OK) code = cli_fail(args, status, &err);
    return cli_close(args, db, code);
}

static int copy(const cli_args *args, const char *what)
{
    sop_db *db;
    int code = cli_open(args, args->positional[0], 0, &db);
    if (code != CLI_OK) return code;
    sop_error err = {0};
    cli_progress progress;
    sop_work_options options = SOP_WORK_OPTIONS_INIT;
    options.progress = cli_progress_step;
    options.context = &progress;
    cli_progress_begin(&progress, args, what);
    sop_status status = sop_db_backup(db, args->positional[1], &options, &err);
    cli_progress_end(&progress);
    if (status != SOP_OK) code = cli_fail(args, status, &err);
    return cli_close(args, db, code);
}

int cmd_backup(const cli_args *args)
{
    return copy(args, "backup");
}

int cmd_restore(const cli_args *args)
{
    return copy(args, "restore");
}
