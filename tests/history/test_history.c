/* SPDX-License-Identifier: MIT */
/* The judges are judged: histories with one planted anomaly each, and correct ones in which nothing may be found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "history/history.h"
#include "history/history_make.h"
#include "history/recorder.h"

enum { REPLAY, CYCLES };

/* "#7" stands for the token 7, so that a case can be read. Store 1: lists; store 2: registers. */
typedef struct {
    const char *name;
    int judge;
    const char *kind; /* "": nothing may be found */
    const char *text;
} anomaly;

static const anomaly ANOMALIES[] = {
    /* ---- white box ---- */
    {"test_replay_finds_a_read_of_an_older_value", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 0 0 w 30 1 #2 w 2 5 101\nE 2 c 40 2\n"
     "T 3 1 0 w 50 2 #3 r 2 5 1 100 w 2 6 102\nE 3 c 60 3\n"},
    {"test_replay_finds_a_lost_update", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 0 0 w 30 1 #2 r 2 5 1 100 w 2 5 101\nE 2 c 60 2\n"
     "T 3 1 0 w 30 1 #3 r 2 5 1 100 w 2 5 102\nE 3 c 60 3\n"},
    {"test_replay_finds_write_skew", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 r 2 1 0 w 2 2 100\nE 1 c 20 1\n"
     "T 2 1 0 w 10 0 #2 r 2 2 0 w 2 1 101\nE 2 c 20 2\n"},
    {"test_replay_finds_a_dirty_read", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 a 20 0\n"
     "T 2 0 0 w 30 0 #2 r 2 5 1 100 w 2 6 101\nE 2 c 40 1\n"},
    {"test_replay_finds_a_phantom_in_a_scan", REPLAY, "scan",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 w 12 0 #2 s 2 0 10 0 w 2 40 101\nE 2 c 25 2\n"},
    {"test_replay_finds_a_key_missing_in_a_scan", REPLAY, "scan",
     "T 1 0 0 w 10 0 #1 w 2 3 99 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 r 30 1 #0 s 2 0 10 1 5 1 100\nE 2 c 40 0\n"},
    {"test_replay_finds_a_wrong_count", REPLAY, "count",
     "T 1 0 0 w 10 0 #1 w 2 3 99 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 r 30 1 #0 c 2 0 10 1\nE 2 c 40 0\n"},
    {"test_replay_finds_a_removed_key_that_is_back", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 0 0 w 30 1 #2 d 2 5 6\nE 2 c 40 2\n"
     "T 3 1 0 r 50 2 #0 r 2 5 1 100\nE 3 c 60 0\n"},
    {"test_replay_finds_half_a_transaction", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100 w 2 6 101\nE 1 c 20 1\n"
     "T 2 1 0 r 30 1 #0 r 2 5 1 100 r 2 6 0\nE 2 c 40 0\n"},
    {"test_replay_finds_a_snapshot_older_than_an_acknowledged_commit", REPLAY, "stale-snapshot",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 r 30 0 #0 r 2 5 0\nE 2 c 40 0\n"},
    {"test_replay_finds_a_commit_ordered_before_one_that_had_ended", REPLAY, "real-time",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 2\n"
     "T 2 1 0 w 30 0 #2 w 2 6 101\nE 2 c 40 1\n"},
    {"test_replay_finds_an_acknowledged_commit_missing_in_the_log", REPLAY, "lost-commit",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\nL #9 2\nC 1 2\n"},
    {"test_replay_finds_an_aborted_transaction_in_the_log", REPLAY, "resurrected",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 a 20 0\nL #1 1\nC 1 1\n"},
    {"test_replay_finds_a_transaction_twice_in_the_log", REPLAY, "doubled",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\nL #1 1\nL #1 2\nC 1 2\n"},
    {"test_replay_finds_a_seq_that_changed", REPLAY, "moved",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\nL #1 2\nC 1 2\n"},
    {"test_replay_finds_two_transactions_with_one_seq", REPLAY, "duplicate-seq",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 w 10 0 #2 w 2 6 101\nE 2 c 20 1\n"},
    {"test_replay_finds_a_write_without_a_seq", REPLAY, "no-seq",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 0\n"},
    {"test_replay_finds_a_snapshot_from_the_future", REPLAY, "future-snapshot",
     "T 1 0 0 w 10 4 #1 w 2 5 100\nE 1 c 20 3\n"},
    {"test_replay_settles_an_unknown_outcome_that_committed", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nL #1 1\nC 1 1\n"
     "T 2 1 0 r 30 1 #0 r 2 5 0\nE 2 c 40 0\n"},
    {"test_replay_settles_an_unknown_outcome_that_did_not_commit", REPLAY, "read",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 u 20 0\nL #9 1\nC 1 1\n"
     "T 2 1 0 r 30 1 #0 r 2 5 1 100\nE 2 c 40 0\n"},
    {"test_replay_wants_every_outcome_settled", REPLAY, "unsettled",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 u 20 0\nC 7 9\n"},
    /* ---- black box ---- */
    {"test_cycles_find_g0", CYCLES, "G0",
     "T 1 0 0 w 10 0 #1 a 1 1 1 a 1 2 2\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 a 1 1 3 a 1 2 4\nE 2 c 90 2\n"
     "T 3 2 0 r 10 0 #0 r 1 1 2 1 3 r 1 2 2 4 2\nE 3 c 90 0\n"},
    {"test_cycles_find_g1a_a_read_of_an_aborted_transaction", CYCLES, "G1a",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 a 20 0\n"
     "T 2 2 0 r 30 0 #0 r 1 1 1 1\nE 2 c 40 0\n"},
    {"test_cycles_find_g1b_a_read_in_the_middle", CYCLES, "G1b",
     "T 1 0 0 w 10 0 #1 a 1 1 1 a 1 1 2\nE 1 c 90 1\n"
     "T 2 2 0 r 10 0 #0 r 1 1 1 1\nE 2 c 90 0\n"
     "T 3 2 0 r 95 1 #0 r 1 1 2 1 2\nE 3 c 99 0\n"},
    {"test_cycles_find_g1c_circular_reads", CYCLES, "G1c",
     "T 1 0 0 w 10 0 #1 a 1 1 1 r 1 2 1 2\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 a 1 2 2 r 1 1 1 1\nE 2 c 90 2\n"},
    {"test_cycles_find_g_single_read_skew", CYCLES, "G-single",
     "T 1 0 0 w 10 0 #1 a 1 1 1 a 1 2 2\nE 1 c 90 1\n"
     "T 2 1 0 r 10 0 #0 r 1 1 0 r 1 2 1 2\nE 2 c 90 0\n"
     "T 3 1 0 r 95 1 #0 r 1 1 1 1\nE 3 c 99 0\n"},
    {"test_cycles_find_lost_updates", CYCLES, "lost-update",
     "T 1 0 0 w 10 0 #1 r 1 1 0 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 r 1 1 0 a 1 1 2\nE 2 c 90 2\n"
     "T 3 1 0 r 95 2 #0 r 1 1 2 1 2\nE 3 c 99 0\n"},
    {"test_cycles_find_g2_write_skew", CYCLES, "G2",
     "T 1 0 0 w 10 0 #1 r 1 1 0 a 1 2 1\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 r 1 2 0 a 1 1 2\nE 2 c 90 2\n"
     "T 3 1 0 r 95 2 #0 r 1 1 1 2 r 1 2 1 1\nE 3 c 99 0\n"},
    {"test_cycles_find_phantoms", CYCLES, "phantom",
     "T 1 0 0 w 10 0 #1 s 1 0 10 0 a 1 2 1\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 s 1 0 10 0 a 1 3 2\nE 2 c 90 2\n"
     "T 3 1 0 r 95 2 #0 r 1 2 1 1 r 1 3 1 2\nE 3 c 99 0\n"},
    {"test_cycles_find_a_phantom_closed_by_one_read", CYCLES, "phantom",
     "T 1 0 0 w 10 0 #1 a 1 2 1 a 1 20 2\nE 1 c 90 1\n"
     "T 2 1 0 r 10 0 #0 s 1 0 10 0 r 1 20 1 2\nE 2 c 90 0\n"
     "T 3 1 0 r 95 1 #0 r 1 2 1 1\nE 3 c 99 0\n"},
    {"test_cycles_find_lists_that_contradict_each_other", CYCLES, "incompatible-order",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 w 10 0 #2 a 1 1 2\nE 2 c 90 2\n"
     "T 3 1 0 r 10 1 #0 r 1 1 1 2\nE 3 c 90 0\n"
     "T 4 1 0 r 10 2 #0 r 1 1 2 1 2\nE 4 c 90 0\n"},
    {"test_cycles_find_an_element_twice", CYCLES, "duplicate",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 r 10 1 #0 r 1 1 2 1 1\nE 2 c 90 0\n"},
    {"test_cycles_find_an_element_of_nobody", CYCLES, "garbage",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 r 10 1 #0 r 1 1 2 1 7\nE 2 c 90 0\n"},
    {"test_cycles_find_an_acknowledged_element_that_is_lost", CYCLES, "lost-append",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 20 1\n"
     "T 2 1 0 r 30 1 #0 r 1 1 0\nE 2 c 40 0\n"},
    {"test_cycles_find_a_transaction_that_does_not_see_itself", CYCLES, "internal",
     "T 1 0 0 w 10 0 #1 a 1 1 1 r 1 1 0\nE 1 c 90 1\n"},
    {"test_cycles_find_an_unrepeatable_read", CYCLES, "internal",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 r 10 1 #0 r 1 1 0 r 1 1 1 1\nE 2 c 90 0\n"},
    {"test_cycles_find_a_stale_read_by_the_clock", CYCLES, "real-time",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 20 1\n"
     "T 2 1 0 r 30 0 #0 r 1 1 0\nE 2 c 35 0\n"
     "T 3 1 0 r 40 1 #0 r 1 1 1 1\nE 3 c 50 0\n"},
    /* ---- nothing to find ---- */
    {"test_replay_lets_aborted_and_unknown_transactions_be", REPLAY, "",
     "T 1 0 0 w 10 0 #1 r 2 5 0 w 2 5 100\nE 1 a 20 0\n"
     "T 2 0 0 w 30 0 #2 w 2 5 101\nE 2 u 40 0\n"
     "T 3 0 0 w 50 0 #3 w 2 6 102\nE 3 c 60 1\nL #3 1\nC 1 1\n"
     "T 4 0 0 r 70 1 #0 s 2 0 10 1 6 1 102\nE 4 c 80 0\n"},
    {"test_replay_lets_a_transaction_see_what_it_took_back_again", REPLAY, "",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 0 0 w 30 1 #2 w 2 5 101 r 2 5 1 101 d 2 5 6 r 2 5 0\nE 2 c 90 0\n"
     "T 3 1 0 w 30 1 #3 r 2 5 1 100 d 2 5 6\nE 3 c 40 2\n"},
    {"test_replay_does_not_take_an_unknown_outcome_for_an_acknowledgement", REPLAY, "",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 u 20 0\nL #1 1\nC 1 1\n"
     "T 2 1 0 r 30 0 #0 r 2 5 0\nE 2 c 40 0\n"},
    {"test_replay_shows_a_handle_in_mode_full_only_what_is_durable", REPLAY, "",
     "T 1 0 0 W 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 r 30 0 #0 r 2 5 0\nE 2 c 40 0\n"},
    {"test_replay_finds_a_stale_snapshot_of_a_handle_that_does_not_wait_for_the_disk", REPLAY,
     "stale-snapshot",
     "T 1 0 0 w 10 0 #1 w 2 5 100\nE 1 c 20 1\n"
     "T 2 1 0 R 30 0 #0 r 2 5 0\nE 2 c 40 0\n"},
    {"test_cycles_let_concurrent_transactions_be", CYCLES, "",
     "T 1 0 0 w 10 0 #1 r 1 1 0 a 1 1 1\nE 1 c 90 1\n"
     "T 2 1 0 w 10 1 #2 r 1 1 1 1 a 1 1 2 r 1 1 2 1 2\nE 2 c 90 2\n"
     "T 3 1 0 r 10 0 #0 s 1 0 10 0\nE 3 c 90 0\n"
     "T 4 1 0 r 95 2 #0 s 1 0 10 1 1 2 1 2\nE 4 c 99 0\n"},
    {"test_cycles_do_not_order_what_overlaps", CYCLES, "",
     "T 1 0 0 w 10 0 #1 a 1 1 1\nE 1 c 50 1\n"
     "T 2 1 0 r 20 0 #0 r 1 1 0\nE 2 c 30 0\n"
     "T 3 1 0 r 35 1 #0 r 1 1 1 1\nE 3 c 60 0\n"},
};

enum { ANOMALY_COUNT = sizeof ANOMALIES / sizeof ANOMALIES[0] };

static void tokens_expand(const char *in, char *out)
{
    while (*in != '\0') {
        if (*in != '#') {
            *out++ = *in++;
            continue;
        }
        out += sprintf(out, "%048d", in[1] - '0');
        in += 2;
    }
    *out = '\0';
}

static void test_anomaly(void **state)
{
    const anomaly *a = *state;
    char text[4096];
    history h;
    history_findings found = {.out = NULL};
    tokens_expand(a->text, text);
    history_init(&h);
    assert_int_equal(history_parse_text(&h, text), 0);
    if (a->judge == REPLAY) history_replay(&h, &found);
    if (a->judge == CYCLES) history_cycles(&h, &found);
    if (strcmp(found.kind, a->kind) != 0)
        fail_msg("found \"%s\" (%s), planted \"%s\"", found.kind, found.text, a->kind);
    history_deinit(&h);
}

/* ---- large and correct ---- */

static void test_a_correct_history_of_many_threads_passes_both_judges(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        history h;
        history_make_options options = HISTORY_MAKE_OPTIONS_INIT;
        history_findings found = {.out = stdout};
        options.seed = seed;
        options.transactions = 20000;
        history_init(&h);
        history_make(&h, &options);
        history_replay(&h, &found);
        history_cycles(&h, &found);
        assert_int_equal(found.count, 0);
        history_deinit(&h);
    }
}

/* One element of one read changed places, out of 20,000 transactions. */
static void test_one_wrong_read_in_a_large_history_is_found_by_both_judges(void **state)
{
    (void)state;
    history h;
    history_make_options options = HISTORY_MAKE_OPTIONS_INIT;
    history_findings replay = {.out = NULL};
    history_findings cycles = {.out = NULL};
    options.transactions = 20000;
    history_init(&h);
    history_make(&h, &options);
    for (size_t i = h.op_count / 2; i < h.op_count; i++) {
        history_op *op = &h.ops[i];
        if (op->kind != 'r' || op->store != 1 || op->count < 3) continue;
        op->count--; /* the newest element is not seen */
        break;
    }
    history_replay(&h, &replay);
    history_cycles(&h, &cycles);
    assert_int_equal(replay.count, 1);
    assert_true(cycles.count > 0);
    history_deinit(&h);
}

/* ---- text and recorder ---- */

static void test_lines_that_are_no_records_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"X 1\n", "T 1 0\n", "E 5 c 1 1\n", "L zz 1\n",
                                      "T 1 0 0 w 10 0 00 w 2 5 100\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        history h;
        history_init(&h);
        assert_int_equal(history_parse_text(&h, BAD[i]), 1);
        history_deinit(&h);
    }
}

static void test_what_is_recorded_is_read_back(void **state)
{
    (void)state;
    char path[] = "/tmp/sop_recorder_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    recorder r;
    recorder_line line;
    uint8_t token[24] = {0};
    const uint64_t elements[2] = {8, 9};
    assert_true(recorder_open(&r, path, 3));
    recorder_line_init(&line, &r, 2);
    for (uint8_t i = 1; i <= 2; i++) {
        token[23] = i;
        recorder_begin(&line, 'w', recorder_now(), i - 1u, token);
        recorder_read(&line, 1, 4, elements, i == 1 ? 0 : 2);
        recorder_scan_begin(&line, 2, 0, 9, 0);
        recorder_count(&line, 2, 0, 9, 0);
        if (i == 1) recorder_append(&line, 1, 4, 8);
        if (i == 1) recorder_append(&line, 1, 4, 9);
        if (i == 2) recorder_remove(&line, 1, 4, 5);
        assert_true(recorder_intent(&line));
        if (i == 1) assert_true(recorder_end(&line, 'c', 1));
        assert_true(recorder_logged(&r, token, i));
    }
    assert_true(recorder_complete(&r, 1, 2));
    recorder_close(&r);
    recorder_line_deinit(&line);
    /* The line of a process that was killed while it wrote. */
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs("T 1099 3", file) >= 0);
    assert_int_equal(fclose(file), 0);
    history h;
    history_findings found = {.out = stdout};
    history_init(&h);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(history_parse(&h, file), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(h.txn_count, 2);
    assert_int_equal(h.txns[1].outcome, 'u');
    history_replay(&h, &found);
    assert_int_equal(found.count, 0);
    assert_int_equal(h.txns[1].outcome, 'c');
    assert_int_equal(h.txns[1].seq, 2);
    history_deinit(&h);
}

int main(void)
{
    struct CMUnitTest tests[ANOMALY_COUNT + 4] = {
        cmocka_unit_test(test_a_correct_history_of_many_threads_passes_both_judges),
        cmocka_unit_test(test_one_wrong_read_in_a_large_history_is_found_by_both_judges),
        cmocka_unit_test(test_lines_that_are_no_records_are_refused),
        cmocka_unit_test(test_what_is_recorded_is_read_back),
    };
    static anomaly cases[ANOMALY_COUNT];
    memcpy(cases, ANOMALIES, sizeof cases);
    for (size_t i = 0; i < ANOMALY_COUNT; i++)
        tests[4 + i] = (struct CMUnitTest){cases[i].name, test_anomaly, NULL, NULL, &cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
