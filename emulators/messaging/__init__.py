"""Azure Service Bus and Event Hubs on one machine: an AMQP 1.0 server in pure Python, persisted on PostgreSQL.

Layers, each importing only what stands above it:

    errors, codec, performatives, frames, message   the protocol's values, no input or output
    entities, store                                 configuration and PostgreSQL
    queues, topics, broker                          what entities do; memory is an index over the store
    rule_xml, descriptions, administration          entities and rules made and changed while the server runs
    nodes, links, sessions, connection              AMQP endpoints; links attach to nodes
    cbs, management, queue_node                     the nodes that the SDKs talk to
    admin, server, __main__                         HTTP administration API, composition, command line
"""
