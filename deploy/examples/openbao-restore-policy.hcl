# What a restore may do in OpenBao. The default policy gives the rest: sys/wrapping/wrap, sys/capabilities-self and
# auth/token/revoke-self; a role with token_no_default_policy has to name those three as well.
path "sys/storage/raft/snapshot" {
  capabilities = ["update"]
}
# Only for requests with force.
path "sys/storage/raft/snapshot-force" {
  capabilities = ["update"]
}
# A token for one use for the POST itself; optional, see the README.
path "auth/token/create" {
  capabilities = ["update"]
}
# Whether each server has an address of its own; optional, see the README.
path "sys/ha-status" {
  capabilities = ["read"]
}
