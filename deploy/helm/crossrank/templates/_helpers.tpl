{{- define "crossrank.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "crossrank.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (include "crossrank.name" .) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "crossrank.name" .) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "crossrank.selectorLabels" -}}
app.kubernetes.io/name: {{ include "crossrank.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "crossrank.labels" -}}
{{ include "crossrank.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "crossrank.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "crossrank.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "crossrank.claimName" -}}
{{- default (printf "%s-models" (include "crossrank.fullname" .)) .Values.modelCache.existingClaim -}}
{{- end -}}

{{/* What the pods of the server and of `tune` have in common: user, volumes, container. */}}

{{- define "crossrank.podSettings" -}}
serviceAccountName: {{ include "crossrank.serviceAccountName" . }}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "crossrank.containerSettings" -}}
image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- if .Values.resources }}
  {{- toYaml .Values.resources | nindent 2 }}
  {{- else }}
  requests:
    cpu: {{ .Values.tuned.cpus | quote }}
    memory: {{ .Values.tuned.memory }}
  limits:
    cpu: {{ .Values.tuned.cpus | quote }}
    memory: {{ .Values.tuned.memory }}
  {{- end }}
envFrom:
  - configMapRef:
      name: {{ include "crossrank.fullname" . }}-env
{{- if .Values.hubToken.existingSecret }}
env:
  - name: HF_TOKEN
    valueFrom:
      secretKeyRef:
        name: {{ .Values.hubToken.existingSecret }}
        key: {{ .Values.hubToken.key }}
{{- end }}
{{- end -}}

{{- define "crossrank.writableMounts" -}}
- name: models
  mountPath: /var/cache/crossrank
- name: tmp
  mountPath: /tmp
{{- end -}}

{{- define "crossrank.writableVolumes" -}}
- name: models
  {{- if eq .Values.modelCache.kind "claim" }}
  persistentVolumeClaim:
    claimName: {{ include "crossrank.claimName" . }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.modelCache.size }}
  {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end -}}
