/* SPDX-License-Identifier: MIT */
/* SOP, Scalable Objects Persistence: the whole public interface. */
#ifndef SOP_SOP_H
#define SOP_SOP_H

#include "sop/bulk.h"
#include "sop/changes.h"
#include "sop/cursor.h"
#include "sop/db.h"
#include "sop/document.h"
#include "sop/inspect.h"
#include "sop/key.h"
#include "sop/query.h"
#include "sop/store.h"
#include "sop/txn.h"
#include "sop/types.h"
#include "sop/update.h"
#include "sop/value.h"

#endif
