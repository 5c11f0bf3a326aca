"""The intermediate representation: operations, values, snapshots, traces, their text and their graph."""
