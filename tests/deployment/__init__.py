"""What users deploy: images of the modules, Kubernetes documents, compose files, an nginx configuration."""
