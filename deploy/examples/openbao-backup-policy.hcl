# What a backup may do in OpenBao. It needs nothing else; the default policy gives auth/token/revoke-self.
path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}
