global-incdirs-y += .
