# OP-TEE OS configuration of kapu, read by tools/kapu/build.py as make variables.
# Only what differs from OP-TEE's own defaults stands here, each with its reason.

# Cores that may enter the secure world: the platform has at most four.
CFG_TEE_CORE_NB_CORE=4
# Calls at a time: the monitor's and those of services beside it.
CFG_NUM_THREADS=4
CFG_ARM64_core=y
CFG_USER_TA_TARGETS=ta_arm64
supported-ta-targets=ta_arm64
CFG_ARM_GICV3=y

# The secure timer is the monitor's (secure/core/tick.c), on each core; OP-TEE's callouts would run on
# one.
CFG_CALLOUT=n
# The monitor sees all of the normal world's memory (secure/core/normal.c): room in the address space.
CFG_LPAE_ADDR_SPACE_BITS=36
# The monitor's TA travels inside the core's image, with what it knows of this very release. That is more
# than OP-TEE's usual two megabytes.
CFG_EARLY_TA=y
CFG_TEE_RAM_VA_SIZE=0x400000
# SHA and AES instructions instead of table code (speed, and no cache side channel of tables).
CFG_CRYPTO_WITH_CE=y

# No device tree from outside: memory and devices are known at build time, so hostile or wrong
# descriptions have no parser to attack. Linux's own device tree is signed and names OP-TEE.
CFG_EXTERNAL_DT=n
CFG_DT_DRIVER_EMBEDDED_TEST=n
# No statically shared memory: Linux registers what it shares, page by page.
CFG_CORE_RESERVED_SHM=n
CFG_CORE_DYN_SHM=y
# No interrupt from secure to normal world is used.
CFG_CORE_ASYNC_NOTIF=n

# No stand-in for what a platform must have: hardware key and storage counter are the TPM's
# (secure/core). Without this a missing one would be zeros and a warning.
CFG_INSECURE=n

# Secure storage in files kept by the normal world, encrypted and authenticated by OP-TEE, fresh by a
# counter in the TPM. Deleted storage starts anew instead of locking the gateway out: whoever can
# delete it can deny service anyway, and old contents stay refused.
CFG_REE_FS=y
CFG_REE_FS_ALLOW_RESET=y
CFG_RPMB_FS=n
# Trusted applications from the root file system must be signed with our key, and not encrypted.
CFG_REE_FS_TA=y
CFG_PKCS11_TA=y
# Token PINs are never kept by Linux; RSA with raw X.509 padding is not needed.
CFG_PKCS11_TA_RSA_X_509=n

# The git commit that OP-TEE would report is that of whatever repository is around the build folder.
CFG_OS_REV_REPORTS_GIT_SHA1=n

# Nothing for tests, statistics or other buses.
CFG_ENABLE_EMBEDDED_TESTS=n
CFG_WITH_STATS=n
CFG_TEE_BENCHMARK=n
CFG_ATTESTATION_PTA=n
CFG_SCMI_PTA=n
CFG_SYSTEM_PTA=y
CFG_DEVICE_ENUM_PTA=y
CFG_GP_SOCKETS=n
CFG_SECURE_DATA_PATH=n
CFG_VIRTUALIZATION=n

# A panic resets the board (secure/core/panic.c): nothing waits for other cores to stop.
CFG_MULTI_CORE_HALTING=n
CFG_HALT_CORES_ON_PANIC=n

# Hardening of the core itself: address randomisation, stack canaries, no writable code, and no access to a trusted
# application's memory but by the functions for that (on cores that have FEAT_PAN).
CFG_PAN=y
CFG_CORE_ASLR=y
CFG_TA_ASLR=y
CFG_CORE_STACK_PROTECTOR_STRONG=y
CFG_TA_STACK_PROTECTOR_STRONG=y
CFG_CORE_RWDATA_NOEXEC=y
CFG_CORE_RODATA_NOEXEC=y

# Errors, warnings and start-up information on the secure console; no debug output.
CFG_TEE_CORE_LOG_LEVEL=2
CFG_TEE_TA_LOG_LEVEL=1
CFG_CORE_DUMP_OOM=n
# No bookkeeping of locks and assertions for those who work on OP-TEE: a third of what a call costs.
CFG_TEE_CORE_DEBUG=n
# Our interrupts may have a line to say: room for its making on their stack.
CFG_STACK_TMP_EXTRA=2048
CFG_DEBUG_INFO=n
