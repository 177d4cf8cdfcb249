/* SPDX-License-Identifier: MIT */
/* Which rule is broken, in the build that can break one. */
#include "util/rule.h"

#ifdef SOP_MUTATIONS
int sop_rule_broken = SOP_RULE_NONE;
#else
_Static_assert(SOP_RULE(FORK), "rules are kept in every other build");
#endif
