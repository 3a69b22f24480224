# What a backup may do in OpenBao. The default policy gives the rest: sys/wrapping/wrap, for the marker by which a restore of
# the backup is proved, and auth/token/revoke-self; a role with token_no_default_policy has to name those two as well.
path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}
