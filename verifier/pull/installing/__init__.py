"""Have a host's runtimes ask before an image runs, and prove that they do.

    files       what is written: whole, recorded, and never over what somebody edited
    setups      the content of each file, and the lines that somebody has to add
    containerd  what containerd's configuration lets through
    policies    what the policy of Podman, CRI-O and skopeo lets through
    crio        which policies CRI-O goes by
    bait        an unsigned image in a registry of its own, which has to be refused

`sealbook pull install` and `sealbook pull check` are on top of these.
"""
