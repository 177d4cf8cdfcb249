/* SPDX-License-Identifier: MIT */
/*
 * The rules that the guarantees rest on, by name, at the very place where each is kept.
 *
 * SOP_RULE(NAME) is the constant 1, and the compiler sees to it that it costs nothing. Only the build with SOP_MUTATIONS, made for
 * the simulator alone, can break one of them at a time: a simulator that does not notice is not good enough (tests/sim).
 */
#ifndef SOP_UTIL_RULE_H
#define SOP_UTIL_RULE_H

/* name, what happens when it is broken */
#define SOP_RULE_MAP(X)                                                                            \
    X(FORK, "who finds the log open goes on in the same file")                                     \
    X(FORK_SYNCED, "the header of a new file is not synced")                                       \
    X(FORK_DIR, "the name of a new log file is not synced")                                        \
    X(FORK_AT_DURABLE, "who takes over keeps frames that were never synced where they are")        \
    X(COPY_FIRST, "copies are not synced before the header that leads to them")                    \
    X(COPY_ON_SHM_LOSS, "after a kill of all, what the page cache holds counts as durable")        \
    X(FORK_FIRST, "recovery passes over forks")                                                    \
    X(HIGHEST_RUN, "of several continuations recovery takes the oldest")                           \
    X(VOUCH, "a sync is trusted with what others wrote before the file was opened")                \
    X(CHAIN, "a frame is taken for the next one by its number alone")                              \
    X(HASH, "a torn frame is taken for a whole one")                                               \
    X(DURABLE_SEQ, "damage below what was durable is taken for the end of the log")                \
    X(HEADER_CHECK, "frames in a file without a header are no evidence of damage")                 \
    X(CKPT_DURABLE, "the head moves to a checkpoint that is not durable")                          \
    X(HEAD_DURABLE, "files are deleted before the new head is durable")                            \
    X(HEAD_BEFORE_DELETE, "segments are deleted before the head is moved")                         \
    X(NO_RETRY, "a failed sync is tried again")                                                    \
    X(PREFIX_ERROR, "commits behind a failed sync are acknowledged")                               \
    X(DURABLE_ACK, "a commit is acknowledged before its sync")                                     \
    X(WATERMARK, "readers see what is not durable yet")                                            \
    X(EARLY_RELEASE, "a commit that wrote nothing does not wait for what it read")                 \
    X(DURABLE, "segments of a checkpoint are not synced before it is published")                   \
    X(DURABLE_VALUES, "large values are not synced before their commit")                           \
    X(DIRSYNC, "names of new segments are not synced")                                             \
    X(FREEZE, "a commit may come between a FREEZE and its frame")                                  \
    X(EXACT, "keys that were read are not validated")                                              \
    X(RANGE, "ranges that were read are not validated")                                            \
    X(CATALOGUE, "a dropped or created store is no conflict")                                      \
    X(HORIZON, "a transaction older than what is kept is validated all the same")                  \
    X(BLIND_PUT, "what a put replaces is decided by a stale look")

#define SOP_RULE_ENUM(name, text) SOP_RULE_##name,
enum { SOP_RULE_NONE, SOP_RULE_MAP(SOP_RULE_ENUM) SOP_RULE_COUNT };
#undef SOP_RULE_ENUM

#ifdef SOP_MUTATIONS
extern int sop_rule_broken; /* SOP_RULE_NONE or one of them; set while no database is open */
#define SOP_RULE(name) (sop_rule_broken != SOP_RULE_##name)
#else
#define SOP_RULE(name) 1
#endif

#endif
