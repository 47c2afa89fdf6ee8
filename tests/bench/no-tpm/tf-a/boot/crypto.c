// SPDX-License-Identifier: Apache-2.0
/* Measurement only: nothing is needed of this file without a TPM. */
