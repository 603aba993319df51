"""What was signed gets to the registries where its readers look, by the service itself.

    asked for    by Publish, or because the configuration says so of whatever is signed there
    waiting      durable, in a database of its own, before anybody is told that it will be done
    attached     every form is where its readers look, next to what others put there

One worker at a time writes to a repository, and several to different ones. The registry's copy
is a rendering of the ledger: it can be made again at any time, and nothing is lost with the queue
but who asked.
"""
