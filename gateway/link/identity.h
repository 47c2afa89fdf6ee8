/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAPU_LINK_IDENTITY_H
#define KAPU_LINK_IDENTITY_H

#define IDENTITY_FILE "/var/lib/kapu-link/identity.pem"

#endif
