// SPDX-License-Identifier: MIT
// The shown view as code: the command line, REST, and C. Pure.
import type { Address } from './address';
import { conditionsToWire } from './filter';
import { Num, type J } from './json';
import { keyToken, tagOf, tupleParts } from './value';

export interface View {
  address: Address;
  url: string;
  origin: string;
  key: J | undefined;
  /** Position in ascending order. */
  rank: number;
}

const shell = (s: string): string => (/^[\w./:@%+,=-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);
const enc = (s: string): string => encodeURIComponent(s).replaceAll("'", '%27');
const c = (s: string): string => `"${s.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;

function commandKey(k: J): string {
  const parts = tupleParts(k);
  if (!parts) return typeof k === 'string' ? shell(k) : '-';
  return shell(parts.length === 1 && parts[0] instanceof Num ? parts[0].text : `[${parts.map((p) => (p instanceof Num ? p.text : JSON.stringify(p))).join(',')}]`);
}

export function asCommand(v: View): string {
  const db = shell(v.url);
  const store = shell(v.address.store ?? '');
  const at = v.rank > 0 ? ` --at-rank ${v.rank}` : '';
  const lines = [`# the rows you see`, `sop scan ${db} ${store}${at}${v.address.order === 'desc' ? ' --reverse' : ''} --limit 100`, '', '# how many there are', `sop count ${db} ${store}`];
  if (v.key !== undefined && tagOf(v.key) !== 'bytes') lines.push('', '# the item under the cursor', `sop get ${db} ${store} ${commandKey(v.key)}`);
  if (v.address.filters.length) lines.push('', '# filters run in the server: see REST');
  return lines.join('\n');
}

export function asRest(v: View): string {
  const { registry = '', database = '', store = '' } = v.address;
  const base = `${v.origin}/api/v1/r/${enc(registry)}/d/${enc(database)}/stores/${enc(store)}`;
  const q = v.address.filters.length ? `limit=100&where=${enc(conditionsToWire(v.address.filters))}` : `rank=${v.rank}&limit=100`;
  const auth = `-H "Authorization: Bearer $SOP_TOKEN"`;
  const lines = [`# the rows you see`, `curl -s ${auth} \\`, `  '${base}/items?${q}'`];
  if (v.key !== undefined) lines.push('', '# the item under the cursor', `curl -s ${auth} \\`, `  '${base}/items/${keyToken(v.key)}'`);
  return lines.join('\n');
}

export function asC(v: View): string {
  const reverse = v.address.order === 'desc';
  return `#include <stdio.h>
#include <sop/sop.h>

/* Prints 100 items of ${v.address.store ?? ''}, from position ${v.rank} on. */
static sop_status show(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, ${c(v.address.store ?? '')}, &store);
    if (status != SOP_OK) return status;
    sop_cursor *cursor = NULL;
    status = sop_cursor_open(store, &cursor);
    if (status != SOP_OK) return status;
    status = sop_cursor_seek_rank(cursor, ${v.rank});
    for (int i = 0; i < 100 && status == SOP_OK; i++) {
        sop_slice key, value;
        status = sop_cursor_item(cursor, &key, &value);
        if (status != SOP_OK) break;
        printf("%.*s  %.*s\\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
        status = ${reverse ? 'sop_cursor_prev' : 'sop_cursor_next'}(cursor);
    }
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

int main(void)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_status status = sop_db_open(${c(v.url)}, NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, show, NULL, &error);
    if (status != SOP_OK) fprintf(stderr, "%s\\n", error.message);
    if (db != NULL) (void)sop_db_close(db, NULL);
    return status == SOP_OK ? 0 : 1;
}`;
}
