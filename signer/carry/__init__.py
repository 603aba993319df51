"""Carry: images and all that is attached to them, from place to place, and the gates on the way.

    with ThreadPoolExecutor(8) as executor:
        carrier = Carrier(source, target, executor)
        carried = carrier.image("1.4", "1.4")
        refused = carrier.settle()

`copy` judges nothing: what is invalid there is as invalid here. `promote` and `push` judge before
they write anything (`signer.carry.judging`).
"""
