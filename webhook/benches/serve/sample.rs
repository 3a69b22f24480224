//! A review as an API server sends it.

/// About 3 KB: a creation with everything that `kubectl apply --server-side` leaves on an object.
pub(crate) fn review() -> String {
    let managed = format!(r#"{{"f:spec":{{"f:source":{{"f:key":{{}}}}}},"pad":"{}"}}"#, "x".repeat(1700));
    let kind = r#"{"group":"openbao.org","version":"v1alpha1","kind":"OpenBaoRestore"}"#;
    let resource = r#"{"group":"openbao.org","version":"v1alpha1","resource":"openbaorestores"}"#;
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
"kind":{kind},"resource":{resource},"requestKind":{kind},"requestResource":{resource},"name":"prod-restore","namespace":"security",
"operation":"CREATE","userInfo":{{"username":"jane","groups":["system:authenticated"]}},"object":{{"apiVersion":"openbao.org/v1alpha1",
"kind":"OpenBaoRestore","metadata":{{"name":"prod-restore","namespace":"security","managedFields":[{{"manager":"kubectl","fieldsV1":{managed}}}]}},
"spec":{{"cluster":"prod-cluster","jwtAuthRole":"restore","jwtAuthMount":"jwt","audience":"openbao-internal","executorImage":"recovery:1",
"force":false,"overrideOperationLock":false,"startingDeadlineSeconds":3600,"source":{{"key":"clusters/prod/a.snap","target":{{"provider":"s3",
"bucket":"backups","region":"us-east-1","endpoint":"https://s3.amazonaws.com","partSize":10485760,"concurrency":3,"usePathStyle":false,
"insecureSkipVerify":false,"credentialsSecretRef":{{"name":"s3-credentials"}}}}}}}}}},"oldObject":null,"dryRun":false}}}}"#
    )
}
