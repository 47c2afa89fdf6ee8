/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.def with the macros FIELD, SIZE, COUNT, SYMBOL and VALUE of the includer. Those with _IF
 * are the same unless the includer has its own. Undefines all of them: it is included several
 * times.
 */
#ifndef FIELD_IF
#define FIELD_IF(o, s, m) FIELD(s, m)
#define SIZE_IF(o, s) SIZE(s)
#define COUNT_IF(o, s, m) COUNT(s, m)
#define SYMBOL_IF(o, n) SYMBOL(n)
#define VALUE_IF(o, n) VALUE(n)
#endif

#include "profile.def"

#undef FIELD
#undef SIZE
#undef COUNT
#undef SYMBOL
#undef VALUE
#undef FIELD_IF
#undef SIZE_IF
#undef COUNT_IF
#undef SYMBOL_IF
#undef VALUE_IF
