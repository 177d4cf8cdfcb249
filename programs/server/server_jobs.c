/* SPDX-License-Identifier: MIT */
/* Long work in the background. */
#include "server/server_private.h"

void server_jobs_stop(server *me, const server_database *of)
{
    (void)me;
    (void)of;
}

uint64_t
server_job_news(server *me, const server_database *of, uint64_t after, sop_json_writer *out)
{
    (void)me;
    (void)of;
    (void)out;
    return after;
}
