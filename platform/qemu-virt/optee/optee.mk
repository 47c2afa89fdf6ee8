# Read by OP-TEE's build through CFG_OPTEE_CONFIG: adds our folder without a patch.
core-platform-subdirs += $(KAPU_OPTEE_PLATFORM)
