"""``zhiyin.desk.v1`` over the wire, against any gateway: what the protocol's page promises, tried from outside."""
