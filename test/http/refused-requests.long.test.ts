import { testRefusedRequests } from './refused-requests.ts'

testRefusedRequests(5_000)
