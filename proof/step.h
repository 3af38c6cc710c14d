/* How the proofs' steps are written down, out of the way of who reads the code.
 *
 * A file X that is proved has its steps in proof/X_steps.h, as macros that
 * Frama-C expands in the comments that begin with an @.  LOOP_* is all that
 * is to be said of a loop: what holds each time round (invariant), what it
 * writes (assigns), why it ends (variant).  STEPS_* are assertions, each
 * proved and then used by those after it.  They are ghost code, which Frama-C
 * lets change nothing, and the compilers see none of it.
 */
#ifndef PROOF_STEP_H
#define PROOF_STEP_H

#define STEP(name, ...) /@ assert name: __VA_ARGS__; @/ ;

#endif
