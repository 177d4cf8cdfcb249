/* SPDX-License-Identifier: MIT */
/* Fuzz target: the input is a filter, as text or as JSON, and behind a byte FF (which neither has) a document. */
#include <stdlib.h>
#include <string.h>

#include "document/document.h"
#include "fuzz/fuzz.h"
#include "util/bytes.h"

static void need(int condition)
{
    if (!condition) abort();
}

/* What is written reads as the same filter and means the same. */
static void check(sop_filter *filter, sop_slice document, sop_document_scratch *scratch)
{
    sop_json_writer writer;
    sop_slice text;
    sop_filter *again = NULL;
    int match = 0;
    int match_again = 0;
    sop_status status = sop_filter_match(filter->root, document, scratch, &match, NULL);
    for (int json = 0; json < 2; json++) {
        sop_json_writer_init(&writer, 0);
        if (json)
            sop_filter_write_json(filter->root, &writer);
        else
            sop_filter_write(filter->root, &writer);
        need(sop_json_writer_end(&writer, &text) == SOP_OK);
        sop_status read =
            json ? sop_filter_new_json(text, &again, NULL) : sop_filter_new(text, &again, NULL);
        /* Written out, a filter may be longer than what one may be read from. */
        need(read == SOP_OK || text.size > SOP_DOCUMENT_FILTER_SIZE_MAX || read == SOP_TOO_LARGE);
        if (read == SOP_OK) {
            need(sop_filter_match(again->root, document, scratch, &match_again, NULL) == status);
            need(match == match_again);
        }
        sop_filter_free(again);
        sop_json_writer_deinit(&writer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *mark = size == 0 ? NULL : memchr(data, 0xff, size);
    sop_slice text = {data, mark == NULL ? size : (size_t)(mark - data)};
    sop_slice document = {mark == NULL ? NULL : mark + 1, mark == NULL ? 0 : size - text.size - 1};
    sop_document_scratch *scratch = calloc(1, sizeof *scratch);
    sop_filter *filter = NULL;
    sop_error err;
    need(scratch != NULL);
    if (sop_filter_new(text, &filter, &err) == SOP_OK) check(filter, document, scratch);
    sop_filter_free(filter);
    if (sop_filter_new_json(text, &filter, &err) == SOP_OK) check(filter, document, scratch);
    sop_filter_free(filter);
    sop_document_scratch_deinit(scratch);
    free(scratch);
    return 0;
}
