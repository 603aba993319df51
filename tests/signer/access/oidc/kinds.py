"""Claims as each kind of issuer makes them, after what their documentation and sources say."""

from __future__ import annotations

from typing import Any

GITHUB: dict[str, Any] = {
    "sub": "repo:octo-org/octo-repo:environment:prod",
    "environment": "prod",
    "ref": "refs/heads/main",
    "sha": "c7dd4bd1b1f4a4b0b0e3a8d1f0f5f3a0a5d5c0c1",
    "repository": "octo-org/octo-repo",
    "repository_owner": "octo-org",
    "actor_id": "12",
    "repository_visibility": "private",
    "repository_id": "74",
    "repository_owner_id": "65",
    "run_id": "1658821493",
    "run_number": "10",
    "run_attempt": "2",
    "runner_environment": "github-hosted",
    "actor": "octocat",
    "workflow": "release",
    "head_ref": "",
    "base_ref": "",
    "event_name": "workflow_dispatch",
    "ref_protected": "true",
    "ref_type": "branch",
    "job_workflow_ref": "octo-org/octo-repo/.github/workflows/oidc.yml@refs/heads/main",
}
GITLAB: dict[str, Any] = {
    "namespace_id": "72",
    "namespace_path": "payments/core",
    "project_id": "20",
    "project_path": "payments/core/api",
    "user_id": "1",
    "user_login": "sample-user",
    "user_email": "sample-user@bank.example",
    "user_access_level": "developer",
    "job_project_id": "20",
    "job_namespace_id": "72",
    "pipeline_id": "574",
    "pipeline_source": "push",
    "job_id": "302",
    "ref": "main",
    "ref_type": "branch",
    "ref_path": "refs/heads/main",
    "ref_protected": "true",
    "groups_direct": ["payments/core", "security"],
    "environment": "production",
    "runner_id": 1,
    "runner_environment": "self-hosted",
    "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    "project_visibility": "private",
    "ci_config_ref_uri": "gitlab.bank.example/payments/core/api//.gitlab-ci.yml@refs/heads/main",
    "sub": "project_path:payments/core/api:ref_type:branch:ref:main",
}
JENKINS: dict[str, Any] = {
    "sub": "https://jenkins.bank.example/job/payments/job/api/job/main/",
    "build_number": 17,
    "jti": None,
    "nbf": None,
}
KUBERNETES: dict[str, Any] = {
    "aud": ["ledger.example"],
    "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
    "kubernetes.io": {
        "namespace": "ci",
        "node": {"name": "127.0.0.1", "uid": "58456cb0-dd00-45ed-b797-5578fdceaced"},
        "pod": {"name": "builder-69cbfb9798-jv9gn", "uid": "778a530c-b3f4-47c0-9cd5-ab018fb64f33"},
        "serviceaccount": {"name": "builder", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"},
        "warnafter": 1_790_003_000,
    },
    "sub": "system:serviceaccount:ci:builder",
}
CLAIMS = {"github": GITHUB, "gitlab": GITLAB, "jenkins": JENKINS, "kubernetes": KUBERNETES}
