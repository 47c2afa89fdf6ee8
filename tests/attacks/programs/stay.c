// SPDX-License-Identifier: Apache-2.0
/* A program that is not in the root image. It does nothing, and stays. */
#include "attack.h"

int main(void)
{
    stay(go_to_background());
}
