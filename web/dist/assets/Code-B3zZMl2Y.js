import{$ as e,B as t,G as n,H as r,I as i,J as a,K as o,O as s,Q as c,Y as l,Z as u,a as d,at as f,b as p,ct as m,dt as h,et as g,g as _,nt as v,r as y,rt as b,st as x,v as S,x as C,z as w}from"./index-a_nQwgrH.js";import{t as T}from"./json-BY9ijVa6.js";import{t as E}from"./Sheet-1B2Zfrv8.js";var D=e=>/^[\w./:@%+,=-]+$/.test(e)?e:`'${e.replaceAll(`'`,`'\\''`)}'`,O=e=>encodeURIComponent(e).replaceAll(`'`,`%27`),k=e=>`"${e.replace(/[\\"]/g,`\\$&`).replaceAll(`
`,`\\n`)}"`;function A(e){let t=p(e);return t?D(t.length===1&&t[0]instanceof T?t[0].text:`[${t.map(e=>e instanceof T?e.text:JSON.stringify(e)).join(`,`)}]`):typeof e==`string`?D(e):`-`}function j(e){let t=D(e.url),n=D(e.address.store??``),r=[`# the rows you see`,`sop scan ${t} ${n}${e.rank>0?` --at-rank ${e.rank}`:``}${e.address.order===`desc`?` --reverse`:``} --limit 100`,``,`# how many there are`,`sop count ${t} ${n}`];return e.key!==void 0&&S(e.key)!==`bytes`&&r.push(``,`# the item under the cursor`,`sop get ${t} ${n} ${A(e.key)}`),e.address.filters.length&&r.push(``,`# filters run in the server: see REST`),r.join(`
`)}function M(e){let{registry:t=``,database:n=``,store:r=``}=e.address,i=`${e.origin}/api/v1/r/${O(t)}/d/${O(n)}/stores/${O(r)}`,a=e.address.filters.length?`limit=100&where=${O(d(e.address.filters))}`:`rank=${e.rank}&limit=100`,o=`-H "Authorization: Bearer $SOP_TOKEN"`,s=[`# the rows you see`,`curl -s ${o} \\`,`  '${i}/items?${a}'`];return e.key!==void 0&&s.push(``,`# the item under the cursor`,`curl -s ${o} \\`,`  '${i}/items/${_(e.key)}'`),s.join(`
`)}function N(e){let t=e.address.order===`desc`;return`#include <stdio.h>
#include <sop/sop.h>

/* Prints 100 items of ${e.address.store??``}, from position ${e.rank} on. */
static sop_status show(sop_txn *txn, void *context)
{
    (void)context;
    sop_store *store = NULL;
    sop_status status = sop_store_open(txn, ${k(e.address.store??``)}, &store);
    if (status != SOP_OK) return status;
    sop_cursor *cursor = NULL;
    status = sop_cursor_open(store, &cursor);
    if (status != SOP_OK) return status;
    status = sop_cursor_seek_rank(cursor, ${e.rank});
    for (int i = 0; i < 100 && status == SOP_OK; i++) {
        sop_slice key, value;
        status = sop_cursor_item(cursor, &key, &value);
        if (status != SOP_OK) break;
        printf("%.*s  %.*s\\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
        status = ${t?`sop_cursor_prev`:`sop_cursor_next`}(cursor);
    }
    sop_cursor_close(cursor);
    return status == SOP_NOT_FOUND ? SOP_OK : status;
}

int main(void)
{
    sop_db *db = NULL;
    sop_error error = {SOP_OK, ""};
    sop_status status = sop_db_open(${k(e.url)}, NULL, &db, &error);
    if (status == SOP_OK) status = sop_txn_run(db, NULL, show, NULL, &error);
    if (status != SOP_OK) fprintf(stderr, "%s\\n", error.message);
    if (db != NULL) (void)sop_db_close(db, NULL);
    return status == SOP_OK ? 0 : 1;
}`}var P=r(`<button role="tab"> </button>`),F=r(`<div class="row gap-below"><div class="seg" role="tablist" aria-label="Language"></div> <span class="grow"></span> <button class="btn"><!> </button></div> <pre class="codeblock" tabindex="0" aria-label="Code"> </pre>`,1);function I(n,r){m(r,!0);let d=b(`Command line`),p=b(!1),_=y.tab,S=y.current?.row??_.pos.row,T={address:{registry:_.registry,database:_.database,store:_.store,row:S,order:_.order,pageSize:_.pageSize,filters:_.filters},url:y.nodes.find(e=>e.db.name===_.database)?.db.url??_.database,origin:location.origin,key:y.current?.item.k,rank:_.order===`desc`?Math.max(0,_.info.count-1-S):S},D=f(()=>a(d)===`C`?N(T):a(d)===`REST`?M(T):j(T));async function O(){await navigator.clipboard.writeText(a(D)),v(p,!0),setTimeout(()=>v(p,!1),1500)}E(n,{title:`This view as code`,kind:`wide`,children:(n,r)=>{var m=F(),_=c(m),b=u(_);i(b,20,()=>[`Command line`,`REST`,`C`],e=>e,(n,r)=>{var i=P(),c=e(i,!0);l(()=>{s(i,`aria-selected`,a(d)===r),w(c,r)}),o(`click`,i,()=>v(d,r,!0)),t(n,i)}),h(b);var x=g(b,4),S=u(x);{let e=f(()=>a(p)?`check`:`copy`);C(S,{get name(){return a(e)}})}var T=g(S,1,!0);h(x),h(_);var E=g(_,2),k=e(E,!0);l(()=>{w(T,a(p)?`Copied`:`Copy`),w(k,a(D))}),o(`click`,x,()=>y.try(O())),t(n,m)},$$slots:{default:!0}}),x()}n([`click`]);export{I as default};