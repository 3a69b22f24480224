# What a restore may do in OpenBao. The default policy gives the rest: sys/wrapping/wrap, sys/capabilities-self and
# auth/token/revoke-self; a role with token_no_default_policy has to name those three as well.
path "sys/storage/raft/snapshot" {
  capabilities = ["update"]
}
# Only for requests with force.
path "sys/storage/raft/snapshot-force" {
  capabilities = ["update"]
}
