//! Files that are refused, and why.

use crate::load::load;

/// Errors and warnings of one provider, as `field: message`.
fn judged(provider: &str) -> (Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yaml");
    std::fs::write(&file, format!("providers:\n- {{name: p, {provider}}}\n")).unwrap();
    let text = |p: &crate::errors::Problem| {
        format!("{}: {}", p.path.trim_start_matches("providers[p]").trim_start_matches('.'), p.message)
    };
    match load(&[file], &|_| None) {
        Ok(l) => (Vec::new(), l.warnings.iter().map(text).collect()),
        Err(e) => (e.0.iter().map(text).collect(), Vec::new()),
    }
}

#[test]
fn good_ones() {
    for p in [
        "kind: openai, api_key: k, openai: {organization: org-1, project: proj_1}",
        "kind: azure-openai, base_url: 'https://n.openai.azure.com', api_key: k",
        "kind: azure-openai, base_url: 'https://n.openai.azure.com', azure_openai: {api_version: 2025-04-01-preview, managed_identity: {}}",
        "kind: azure-openai, base_url: 'https://n.openai.azure.com/openai/v1', azure_openai: {workload_identity: {}}",
        "kind: azure-openai, base_url: 'https://n.openai.azure.com', azure_openai: {entra: {tenant_id: t, client_id: c, client_secret: s}}",
        "kind: anthropic, api_key: k, anthropic: {version: 2023-06-01, betas: [context-1m-2025-08-07]}",
        "kind: gemini, api_key: k",
        "kind: vertex, vertex: {project: 'example.com:p-1', location: global}",
        "kind: bedrock, bedrock: {region: us-east-1}",
        "kind: bedrock, bedrock: {region: us-east-1, endpoint: 'https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com', api: invoke, role_arn: 'arn:aws:iam::1:role/x'}",
        "kind: openai-compatible, base_url: 'https://h/v1', openai_compatible: {responses: true}",
        "kind: openai-compatible, base_url: 'https://h/v1', openai_compatible: {reasoning_field: reasoning}",
    ] {
        assert_eq!(judged(p), (vec![], vec![]), "{p}");
    }
}

#[test]
fn bad_ones() {
    for (p, want) in [
        (
            "kind: openai, api_key: k, bedrock: {region: x}",
            "bedrock: belongs to the kind `bedrock`, and this",
        ),
        ("kind: openai, api_key: k, openai: {project: 'a b'}", "openai.project: write the id"),
        ("kind: azure_openai, api_key: k", "kind: `azure_openai` is none of"),
        ("kind: azure-openai, api_key: k", "base_url: is missing; write the resource"),
        (
            "kind: azure-openai, base_url: 'https://h', api_key: k, azure_openai: {api_version: v1}",
            "azure_openai.api_version: write a dated version",
        ),
        (
            "kind: azure-openai, base_url: 'https://h', api_key: k, azure_openai: {managed_identity: {}}",
            "azure_openai.managed_identity: api_key is set too",
        ),
        (
            "kind: azure-openai, base_url: 'https://h', azure_openai: {entra: {tenant_id: ../x, client_id: c, client_secret: s}}",
            "azure_openai.entra.tenant_id: write the id as Azure",
        ),
        (
            "kind: azure-openai, base_url: 'https://h', azure_openai: {entra: {tenant_id: t}}",
            "azure_openai.entra: `client_id` is missing",
        ),
        ("kind: anthropic, api_key: k, anthropic: {betas: ['a,b']}", "anthropic.betas[0]: write one beta"),
        ("kind: vertex, vertex: {location: global}", "vertex.project: write the project's id"),
        ("kind: vertex, vertex: {project: p}", "vertex.location: write a region"),
        ("kind: vertex, vertex: {project: p, location: 'evil.example/'}", "vertex.location: write a region"),
        (
            "kind: vertex, vertex: {project: p, location: eu, credentials: sk-secret}",
            "vertex.credentials: not JSON",
        ),
        (
            "kind: vertex, vertex: {project: p, location: eu, credentials_file: /nowhere/x.json}",
            "vertex.credentials_file: cannot read /nowhere/x.json",
        ),
        (
            r#"kind: vertex, vertex: {project: p, location: eu, credentials: '{"type":"service_account","client_email":"e","private_key":"k","token_uri":"http://10.0.0.1/t"}'}"#,
            "vertex.credentials: 10.0.0.1 is not a public address",
        ),
        ("kind: bedrock", "bedrock.region: write a region"),
        (
            "kind: bedrock, bedrock: {region: us-east-1, access_key_id: a}",
            "bedrock.secret_access_key: is missing",
        ),
        (
            "kind: bedrock, bedrock: {region: us-east-1, endpoint: 'http://169.254.169.254'}",
            "bedrock.endpoint: 169.254.169.254 is not a public address",
        ),
        (
            "kind: bedrock, base_url: 'https://a', bedrock: {region: us-east-1, endpoint: 'https://b'}",
            "bedrock.endpoint: base_url is set too",
        ),
        ("kind: bedrock, api_key: k, bedrock: {region: r, profile: p}", "api_key: bedrock has other"),
        (
            "kind: openai-compatible, base_url: 'https://h/v1', openai_compatible: {reasoning_field: thinking}",
            "openai_compatible.reasoning_field: `thinking` is none of reasoning_content, reasoning, both",
        ),
        (
            "kind: bedrock, bedrock: {region: r, api: invok}",
            "bedrock.api: `invok` is none of converse, invoke",
        ),
        ("kind: bedrock, bedrock: {regoin: r}", "bedrock: unknown key `regoin`; did you mean `region`?"),
    ] {
        let (errors, _) = judged(p);
        assert!(errors.iter().any(|e| e.starts_with(want)), "{p}: {errors:?}");
        assert!(errors.iter().all(|e| !e.contains("sk-secret")), "{errors:?}");
    }
}

#[test]
fn providers_without_credentials_are_told() {
    for (p, want) in [
        ("kind: openai", "api_key: is not set: the provider will refuse"),
        ("kind: gemini", "api_key: is not set: the provider will refuse"),
        ("kind: azure-openai, base_url: 'https://h'", "api_key: is not set: set it, or one of"),
    ] {
        let (errors, warnings) = judged(p);
        assert!(errors.is_empty() && warnings.len() == 1 && warnings[0].starts_with(want), "{warnings:?}");
    }
}
