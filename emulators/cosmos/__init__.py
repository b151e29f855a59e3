"""Azure Cosmos DB for NoSQL on one machine: its REST API, persisted on PostgreSQL, for the unmodified SDKs.

Layers, each importing only what stands above it:

    errors, limits, values, murmur, partitions, documents, resources    the service's values, no input or output
    sql                                                                 the query language
    definitions, offers, continuations, cursors, auth, charges, patches rules
    store, catalog                                                      PostgreSQL, and what is declared there
    items, writing                                                      operations on the items of one partition key
    scope, queries, changes, expiry                                     lists of items
    declarations, exchange, faults, metadata, item_api, feed_api, routes              requests and answers
    server, __main__                                                    composition, command line
"""
