# SPDX-License-Identifier: Apache-2.0
"""Build-time tools of kapu. Each module has one job; tools/NAME are their command lines."""
