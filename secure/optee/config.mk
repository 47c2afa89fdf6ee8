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
# All trusted applications travel inside the core's image, which is signed and measured; the monitor's with
# what it knows of this very release. That is more than OP-TEE's usual two megabytes.
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
# delete it can deny service anyway. Old contents stay refused, and the TPM counts it for the operator
# (third_party/optee-os/10-storage-starts-anew.patch).
CFG_REE_FS=y
CFG_REE_FS_ALLOW_RESET=y
CFG_RPMB_FS=n
# No trusted application from the normal world: an old one, rightly signed, could take a new one's place
# and its storage. The versions that OP-TEE remembers against that are in storage that can be deleted.
CFG_REE_FS_TA=n
# Nothing installs trusted applications in secure storage either.
CFG_SECSTOR_TA=n
CFG_SECSTOR_TA_MGMT_PTA=n
# The whole hash of a tree's root is authenticated, not the half that early releases of OP-TEE took.
CFG_REE_FS_HTREE_HASH_SIZE_COMPAT=n
# Storage keys are derived as all others are, each with a label of its own, not as early releases did.
CFG_CORE_HUK_SUBKEY_COMPAT=n
CFG_CORE_HUK_SUBKEY_COMPAT_USE_OTP_DIE_ID=n
# Built, and a part of the image only where tools/kapu/build.py says so (PKCS11_OPTION): the keys of kapu's own
# programs are in the vault TA, which is a fiftieth of it.
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

# Cryptography that nothing here uses: neither the core, nor our TAs, nor a key that the PKCS#11 TA should
# hold. Broken: DES, MD5. Finite fields: DSA, DH. National: SM2, SM3, SM4. Others' file systems and
# protocols: XTS, CCM, CBC-MAC, X25519, key derivations of old interfaces. Spare hashes: SHA-3, SHAKE,
# SHA-512/256.
CFG_CRYPTO_DES=n
CFG_CRYPTO_MD5=n
CFG_CRYPTO_DSA=n
CFG_CRYPTO_DH=n
CFG_CRYPTO_SM2_PKE=n
CFG_CRYPTO_SM2_DSA=n
CFG_CRYPTO_SM2_KEP=n
CFG_CRYPTO_SM3=n
CFG_CRYPTO_SM4=n
CFG_CRYPTO_XTS=n
CFG_CRYPTO_CCM=n
CFG_CRYPTO_CBC_MAC=n
CFG_CRYPTO_X25519=n
CFG_CRYPTO_CONCAT_KDF=n
CFG_CRYPTO_HKDF=n
CFG_CRYPTO_PBKDF2=n
CFG_CRYPTO_SHA3_224=n
CFG_CRYPTO_SHA3_256=n
CFG_CRYPTO_SHA3_384=n
CFG_CRYPTO_SHA3_512=n
CFG_CRYPTO_SHAKE128=n
CFG_CRYPTO_SHAKE256=n
CFG_CRYPTO_SHA512_256=n

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
