"""What a network computes, and when: reference, packed reference, cycle simulator.

Values and time are separate computations, because control never depends on data: `hwsim.reference` (slow, obvious)
and `hwsim.packed` (fast) give the values of every stream, `hwsim.cycle` the cycle of every beat.
"""
