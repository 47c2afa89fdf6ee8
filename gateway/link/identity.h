/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAPU_LINK_IDENTITY_H
#define KAPU_LINK_IDENTITY_H

#define IDENTITY_FOLDER "/var/lib/kapu-link"
#define IDENTITY_NAME "identity.pem"
#define IDENTITY_FILE IDENTITY_FOLDER "/" IDENTITY_NAME

#endif
