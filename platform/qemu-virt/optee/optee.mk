# Read by OP-TEE's build through CFG_OPTEE_CONFIG: adds our folders without a patch.
core-platform-subdirs += kapu/platform kapu/lib kapu/wire kapu/core kapu/pta
