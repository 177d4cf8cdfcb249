/* SPDX-License-Identifier: MIT */
/* Picks a field with simdjson, the parser kept from call to call as its manual asks. */
#include "micro_document_simdjson.h"

#include <simdjson.h>

uint64_t bench_simdjson_pick(const char *text, size_t size)
{
    static simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    uint64_t value = 0;
    if (parser.iterate(text, size, size + 64).get(document) != simdjson::SUCCESS) return 0;
    if (document["size"]["download"].get(value) != simdjson::SUCCESS) return 0;
    return value;
}
